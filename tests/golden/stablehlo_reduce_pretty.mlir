// Sums as jax prints them, in the pretty form.
// run: atrousc print %s
// expect: HloModule jit_f
// expect:
// expect: add_f32 {
// expect:   a = f32[] parameter(0)
// expect:   b = f32[] parameter(1)
// expect:   ROOT sum = f32[] add(a, b)
// expect: }
// expect:
// expect: add_c64 {
// expect:   a = c64[] parameter(0)
// expect:   b = c64[] parameter(1)
// expect:   ROOT sum = c64[] add(a, b)
// expect: }
// expect:
// expect: ENTRY main {
// expect:   arg0 = f32[2,3,4] parameter(0)
// expect:   arg1 = c64[5] parameter(1)
// expect:   cst = f32[] constant(0)
// expect:   v0 = f32[3] reduce(arg0, cst), dimensions={0,2}, to_apply=add_f32
// expect:   cst_0 = c64[] constant((0, 0))
// expect:   v1 = c64[] reduce(arg1, cst_0), dimensions={0}, to_apply=add_c64
// expect:   cst_1 = f32[] constant(0)
// expect:   v2 = f32[2,4] reduce(arg0, cst_1), dimensions={1}, to_apply=add_f32
// expect:   ROOT tuple = (f32[3], c64[], f32[2,4]) tuple(v0, v1, v2)
// expect: }
module @jit_f attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<2x3x4xf32>, %arg1: tensor<5xcomplex<f32>>) -> (tensor<3xf32> {jax.result_info = "result[0]"}, tensor<complex<f32>> {jax.result_info = "result[1]"}, tensor<2x4xf32> {jax.result_info = "result[2]"}) {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %0 = stablehlo.reduce(%arg0 init: %cst) applies stablehlo.add across dimensions = [0, 2] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<3xf32>
    %cst_0 = stablehlo.constant dense<(0.000000e+00,0.000000e+00)> : tensor<complex<f32>>
    %1 = stablehlo.reduce(%arg1 init: %cst_0) applies stablehlo.add across dimensions = [0] : (tensor<5xcomplex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
    %cst_1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %2 = stablehlo.reduce(%arg0 init: %cst_1) applies stablehlo.add across dimensions = [1] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x4xf32>
    return %0, %1, %2 : tensor<3xf32>, tensor<complex<f32>>, tensor<2x4xf32>
  }
}
