// The same function as hlo_jax_complex.hlo in StableHLO's pretty form.
// run: atrousc run %s --random-int=5 --exact | grep check
// run: atrousc run %s --random-int=3 --exact | grep check
// run: atrousc print %s
// expect: check result 0: ok, equal
// expect: check result 1: ok, equal
// expect: check result 0: ok, equal
// expect: check result 1: ok, equal
// expect: HloModule jit_masked
// expect:
// expect: ENTRY main {
// expect:   arg0 = c64[1,5,4,4] parameter(0)
// expect:   arg1 = c64[2,3,2,6] parameter(1)
// expect:   arg2 = pred[] parameter(2)
// expect:   v0 = f32[1,5,4,4] real(arg0)
// expect:   v1 = f32[1,5,4,4] imag(arg0)
// expect:   v2 = f32[2,3,2,6] real(arg1)
// expect:   v3 = f32[2,3,2,6] imag(arg1)
// expect:   v4 = f32[1,5,4,4] add(v0, v1)
// expect:   v5 = f32[1,3,7,6] convolution(v4, v2), window={size=2x3 stride=2x1 pad=1_1x0_2 lhs_dilate=1x2 rhs_dilate=2x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v6 = f32[2,3,2,6] subtract(v3, v2)
// expect:   v7 = f32[1,3,7,6] convolution(v0, v6), window={size=2x3 stride=2x1 pad=1_1x0_2 lhs_dilate=1x2 rhs_dilate=2x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v8 = f32[2,3,2,6] add(v2, v3)
// expect:   v9 = f32[1,3,7,6] convolution(v1, v8), window={size=2x3 stride=2x1 pad=1_1x0_2 lhs_dilate=1x2 rhs_dilate=2x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v10 = f32[1,3,7,6] subtract(v5, v9)
// expect:   v11 = f32[1,3,7,6] add(v5, v7)
// expect:   v12 = c64[1,3,7,6] complex(v10, v11)
// expect:   v13 = s32[1,3,7,6] iota(), iota_dimension=1
// expect:   v14 = s32[1,3,7,6] iota(), iota_dimension=2
// expect:   v15 = s32[1,3,7,6] xor(v13, v14)
// expect:   c = s32[] constant(1)
// expect:   v16 = s32[1,3,7,6] broadcast(c), dimensions={}
// expect:   v17 = s32[1,3,7,6] and(v15, v16)
// expect:   c_0 = s32[] constant(1)
// expect:   v18 = s32[1,3,7,6] broadcast(c_0), dimensions={}
// expect:   v19 = pred[1,3,7,6] compare(v17, v18), direction=EQ
// expect:   v20 = pred[] not(arg2)
// expect:   v21 = pred[1,3,7,6] broadcast(v20), dimensions={}
// expect:   v22 = pred[1,3,7,6] or(v19, v21)
// expect:   c_1 = s64[] constant(0)
// expect:   v0.30 = c64[] convert(c_1)
// expect:   v1.31 = c64[1,3,7,6] broadcast(v0.30), dimensions={}
// expect:   v2.32 = c64[1,3,7,6] select(v22, v12, v1.31)
// expect:   v24 = f32[1,3,7,6] real(v12)
// expect:   v25 = f32[1,3,7,6] imag(v12)
// expect:   v26 = f32[1,3,7,6] negate(v25)
// expect:   v27 = c64[1,3,7,6] complex(v24, v26)
// expect:   ROOT tuple = (c64[1,3,7,6], c64[1,3,7,6]) tuple(v2.32, v27)
// expect: }
module @jit_masked attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<1x5x4x4xcomplex<f32>>, %arg1: tensor<2x3x2x6xcomplex<f32>>, %arg2: tensor<i1>) -> (tensor<1x3x7x6xcomplex<f32>> {jax.result_info = "result[0]"}, tensor<1x3x7x6xcomplex<f32>> {jax.result_info = "result[1]"}) {
    %0 = stablehlo.real %arg0 : (tensor<1x5x4x4xcomplex<f32>>) -> tensor<1x5x4x4xf32>
    %1 = stablehlo.imag %arg0 : (tensor<1x5x4x4xcomplex<f32>>) -> tensor<1x5x4x4xf32>
    %2 = stablehlo.real %arg1 : (tensor<2x3x2x6xcomplex<f32>>) -> tensor<2x3x2x6xf32>
    %3 = stablehlo.imag %arg1 : (tensor<2x3x2x6xcomplex<f32>>) -> tensor<2x3x2x6xf32>
    %4 = stablehlo.add %0, %1 : tensor<1x5x4x4xf32>
    %5 = stablehlo.convolution(%4, %2) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 1], pad = [[1, 1], [0, 2]], lhs_dilate = [1, 2], rhs_dilate = [2, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 2 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<1x5x4x4xf32>, tensor<2x3x2x6xf32>) -> tensor<1x3x7x6xf32>
    %6 = stablehlo.subtract %3, %2 : tensor<2x3x2x6xf32>
    %7 = stablehlo.convolution(%0, %6) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 1], pad = [[1, 1], [0, 2]], lhs_dilate = [1, 2], rhs_dilate = [2, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 2 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<1x5x4x4xf32>, tensor<2x3x2x6xf32>) -> tensor<1x3x7x6xf32>
    %8 = stablehlo.add %2, %3 : tensor<2x3x2x6xf32>
    %9 = stablehlo.convolution(%1, %8) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 1], pad = [[1, 1], [0, 2]], lhs_dilate = [1, 2], rhs_dilate = [2, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 2 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<1x5x4x4xf32>, tensor<2x3x2x6xf32>) -> tensor<1x3x7x6xf32>
    %10 = stablehlo.subtract %5, %9 : tensor<1x3x7x6xf32>
    %11 = stablehlo.add %5, %7 : tensor<1x3x7x6xf32>
    %12 = stablehlo.complex %10, %11 : tensor<1x3x7x6xcomplex<f32>>
    %13 = stablehlo.iota dim = 1 : tensor<1x3x7x6xi32>
    %14 = stablehlo.iota dim = 2 : tensor<1x3x7x6xi32>
    %15 = stablehlo.xor %13, %14 : tensor<1x3x7x6xi32>
    %c = stablehlo.constant dense<1> : tensor<i32>
    %16 = stablehlo.broadcast_in_dim %c, dims = [] : (tensor<i32>) -> tensor<1x3x7x6xi32>
    %17 = stablehlo.and %15, %16 : tensor<1x3x7x6xi32>
    %c_0 = stablehlo.constant dense<1> : tensor<i32>
    %18 = stablehlo.broadcast_in_dim %c_0, dims = [] : (tensor<i32>) -> tensor<1x3x7x6xi32>
    %19 = stablehlo.compare EQ, %17, %18, SIGNED : (tensor<1x3x7x6xi32>, tensor<1x3x7x6xi32>) -> tensor<1x3x7x6xi1>
    %20 = stablehlo.not %arg2 : tensor<i1>
    %21 = stablehlo.broadcast_in_dim %20, dims = [] : (tensor<i1>) -> tensor<1x3x7x6xi1>
    %22 = stablehlo.or %19, %21 : tensor<1x3x7x6xi1>
    %c_1 = stablehlo.constant dense<0> : tensor<i64>
    %23 = call @_where(%22, %12, %c_1) : (tensor<1x3x7x6xi1>, tensor<1x3x7x6xcomplex<f32>>, tensor<i64>) -> tensor<1x3x7x6xcomplex<f32>>
    %24 = stablehlo.real %12 : (tensor<1x3x7x6xcomplex<f32>>) -> tensor<1x3x7x6xf32>
    %25 = stablehlo.imag %12 : (tensor<1x3x7x6xcomplex<f32>>) -> tensor<1x3x7x6xf32>
    %26 = stablehlo.negate %25 : tensor<1x3x7x6xf32>
    %27 = stablehlo.complex %24, %26 : tensor<1x3x7x6xcomplex<f32>>
    return %23, %27 : tensor<1x3x7x6xcomplex<f32>>, tensor<1x3x7x6xcomplex<f32>>
  }
  func.func private @_where(%arg0: tensor<1x3x7x6xi1>, %arg1: tensor<1x3x7x6xcomplex<f32>>, %arg2: tensor<i64>) -> tensor<1x3x7x6xcomplex<f32>> {
    %0 = stablehlo.convert %arg2 : (tensor<i64>) -> tensor<complex<f32>>
    %1 = stablehlo.broadcast_in_dim %0, dims = [] : (tensor<complex<f32>>) -> tensor<1x3x7x6xcomplex<f32>>
    %2 = stablehlo.select %arg0, %arg1, %1 : tensor<1x3x7x6xi1>, tensor<1x3x7x6xcomplex<f32>>
    return %2 : tensor<1x3x7x6xcomplex<f32>>
  }
}
