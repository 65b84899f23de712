// Dense literals: nested, bit patterns, raw bytes, empty, splat.
// run: atrousc print %s
// expect: HloModule literals
// expect:
// expect: ENTRY main {
// expect:   cst = f32[4] constant({0.1, inf, -inf, nan})
// expect:   cst_0 = c64[2,2] constant({ { (1, -2.5), (inf, 0) }, { (3, 4), (5, 6) } })
// expect:   c = pred[3] constant({true, false, true})
// expect:   c_1 = s8[2,3] constant({ { 0, 1, 2 }, { -3, -2, -1 } })
// expect:   cst_2 = f16[0,2] constant({})
// expect:   constant.6 = bf16[] constant(-1.5)
// expect:   cst_3 = bf16[3,2] broadcast(constant.6), dimensions={}
// expect:   c_4 = u64[2] constant({0, 18446744073709551615})
// expect:   ROOT tuple = (f32[4], c64[2,2], pred[3], s8[2,3], f16[0,2], bf16[3,2], u64[2]) tuple(cst, cst_0, c, c_1, cst_2, cst_3, c_4)
// expect: }
module @literals {
  func.func @main() -> (tensor<4xf32>, tensor<2x2xcomplex<f32>>, tensor<3xi1>, tensor<2x3xi8>, tensor<0x2xf16>, tensor<3x2xbf16>, tensor<2xui64>) {
    %cst = stablehlo.constant dense<[1.000000e-01, 0x7F800000, 0xFF800000, 0x7FC00000]> : tensor<4xf32>
    %cst_0 = stablehlo.constant dense<[[(1.0,-2.5), (0x7F800000,0.0)], [(3.0,4.0), (5.0,6.0)]]> : tensor<2x2xcomplex<f32>>
    %c = stablehlo.constant dense<[true, false, true]> : tensor<3xi1>
    %c_1 = stablehlo.constant dense<"0x000102FDFEFF"> : tensor<2x3xi8>
    %cst_2 = stablehlo.constant dense<> : tensor<0x2xf16>
    %cst_3 = stablehlo.constant dense<-1.500000e+00> : tensor<3x2xbf16>
    %c_4 = stablehlo.constant dense<[0, 18446744073709551615]> : tensor<2xui64>
    return %cst, %cst_0, %c, %c_1, %cst_2, %cst_3, %c_4 : tensor<4xf32>, tensor<2x2xcomplex<f32>>, tensor<3xi1>, tensor<2x3xi8>, tensor<0x2xf16>, tensor<3x2xbf16>, tensor<2xui64>
  }
}
