// guest-wasm.mjs - runs a program of link-guest for wasm32-wasi: node tests/random/guest-wasm.mjs FOLDER/guest
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const wasi = new WASI({ version: 'preview1' });
const program = await WebAssembly.instantiate(readFileSync(process.argv[2]), { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(program.instance);
