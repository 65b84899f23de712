// Convolutions of ranks 0 to 3 in their spellings.
// run: atrousc print %s
// expect: HloModule module
// expect:
// expect: ENTRY main {
// expect:   x0 = c128[5,3] parameter(0)
// expect:   w0 = c128[3,7] parameter(1)
// expect:   x1 = s8[6,4,32] parameter(2)
// expect:   w1 = s8[9,4,5] parameter(3)
// expect:   x2 = bf16[2,9,7,6] parameter(4)
// expect:   w2 = bf16[3,2,3,8] parameter(5)
// expect:   x3 = f64[2,5,6,7,3] parameter(6)
// expect:   w3 = f64[2,2,2,3,4] parameter(7)
// expect:   v0 = c128[5,7] convolution(x0, w0), dim_labels=bf_io->bf
// expect:   v1 = s32[2,9,32] convolution(x1, w1), window={size=5 pad=2_2}, dim_labels=bf0_oi0->bf0, batch_group_count=3, operand_precision={default,highest}
// expect:   v2 = f32[2,4,11,8] convolution(x2, w2), window={size=3x2 stride=2x1 lhs_dilate=1x2 rhs_dilate=1x2 rhs_reversal=0x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v3 = f64[4,2,2,3,3] convolution(x3, w3), window={size=2x2x2 stride=2x2x2 pad=0_0x0_1x-1_1 rhs_reversal=1x0x1}, dim_labels=b012f_012io->fb012
// expect:   ROOT tuple = (c128[5,7], s32[2,9,32], f32[2,4,11,8], f64[4,2,2,3,3]) tuple(v0, v1, v2, v3)
// expect: }
module {
  func.func @main(%x0: tensor<5x3xcomplex<f64>>, %w0: tensor<3x7xcomplex<f64>>, %x1: tensor<6x4x32xi8>, %w1: tensor<9x4x5xi8>,
      %x2: tensor<2x9x7x6xbf16>, %w2: tensor<3x2x3x8xbf16>, %x3: tensor<2x5x6x7x3xf64>, %w3: tensor<2x2x2x3x4xf64>)
      -> (tensor<5x7xcomplex<f64>>, tensor<2x9x32xi32>, tensor<2x4x11x8xf32>, tensor<4x2x2x3x3xf64>) {
    // no spatial dimension
    %0 = stablehlo.convolution(%x0, %w0) dim_numbers = [b, f]x[i, o]->[b, f], window = {} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<5x3xcomplex<f64>>, tensor<3x7xcomplex<f64>>) -> tensor<5x7xcomplex<f64>>
    // groups of the batch, a wider result
    %1 = stablehlo.convolution(%x1, %w1) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {pad = [[2, 2]]} {batch_group_count = 3 : i64, feature_group_count = 1 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision HIGHEST>]} : (tensor<6x4x32xi8>, tensor<9x4x5xi8>) -> tensor<2x9x32xi32>
    // every key of the window but pad
    %2 = stablehlo.convolution(%x2, %w2) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 1], lhs_dilate = [1, 2], rhs_dilate = [1, 2], reverse = [false, true]} {feature_group_count = 2 : i64, batch_group_count = 1 : i64} : (tensor<2x9x7x6xbf16>, tensor<3x2x3x8xbf16>) -> tensor<2x4x11x8xf32>
    // three dimensions, dimension numbers by name, attributes as older texts have them
    %3 = "stablehlo.convolution"(%x3, %w3) {batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<raw input_batch_dimension = 0, input_feature_dimension = 4, input_spatial_dimensions = [1, 2, 3], kernel_input_feature_dimension = 3, kernel_output_feature_dimension = 4, kernel_spatial_dimensions = [0, 1, 2], output_batch_dimension = 1, output_feature_dimension = 0, output_spatial_dimensions = [2, 3, 4]>, feature_group_count = 1 : i64, padding = dense<[[0, 0], [0, 1], [-1, 1]]> : tensor<3x2xi64>, window_reversal = dense<[true, false, true]> : tensor<3xi1>, window_strides = dense<2> : tensor<3xi64>} : (tensor<2x5x6x7x3xf64>, tensor<2x2x2x3x4xf64>) -> tensor<4x2x2x3x3xf64>
    return %0, %1, %2, %3 : tensor<5x7xcomplex<f64>>, tensor<2x9x32xi32>, tensor<2x4x11x8xf32>, tensor<4x2x2x3x3xf64>
  }
}
