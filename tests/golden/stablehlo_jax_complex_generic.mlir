// The same function as stablehlo_jax_complex.mlir in the generic form.
// run: atrousc print %s
// expect: HloModule jit_masked
// expect:
// expect: ENTRY main {
// expect:   arg3 = c64[1,5,4,4] parameter(0)
// expect:   arg4 = c64[2,3,2,6] parameter(1)
// expect:   arg5 = pred[] parameter(2)
// expect:   v3 = f32[1,5,4,4] real(arg3)
// expect:   v4 = f32[1,5,4,4] imag(arg3)
// expect:   v5 = f32[2,3,2,6] real(arg4)
// expect:   v6 = f32[2,3,2,6] imag(arg4)
// expect:   v7 = f32[1,5,4,4] add(v3, v4)
// expect:   v8 = f32[1,3,7,6] convolution(v7, v5), window={size=2x3 stride=2x1 pad=1_1x0_2 lhs_dilate=1x2 rhs_dilate=2x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v9 = f32[2,3,2,6] subtract(v6, v5)
// expect:   v10 = f32[1,3,7,6] convolution(v3, v9), window={size=2x3 stride=2x1 pad=1_1x0_2 lhs_dilate=1x2 rhs_dilate=2x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v11 = f32[2,3,2,6] add(v5, v6)
// expect:   v12 = f32[1,3,7,6] convolution(v4, v11), window={size=2x3 stride=2x1 pad=1_1x0_2 lhs_dilate=1x2 rhs_dilate=2x1}, dim_labels=b01f_01io->b01f, feature_group_count=2
// expect:   v13 = f32[1,3,7,6] subtract(v8, v12)
// expect:   v14 = f32[1,3,7,6] add(v8, v10)
// expect:   v15 = c64[1,3,7,6] complex(v13, v14)
// expect:   v16 = s32[1,3,7,6] iota(), iota_dimension=1
// expect:   v17 = s32[1,3,7,6] iota(), iota_dimension=2
// expect:   v18 = s32[1,3,7,6] xor(v16, v17)
// expect:   v19 = s32[] constant(1)
// expect:   v20 = s32[1,3,7,6] broadcast(v19), dimensions={}
// expect:   v21 = s32[1,3,7,6] and(v18, v20)
// expect:   v22 = s32[] constant(1)
// expect:   v23 = s32[1,3,7,6] broadcast(v22), dimensions={}
// expect:   v24 = pred[1,3,7,6] compare(v21, v23), direction=EQ
// expect:   v25 = pred[] not(arg5)
// expect:   v26 = pred[1,3,7,6] broadcast(v25), dimensions={}
// expect:   v27 = pred[1,3,7,6] or(v24, v26)
// expect:   v28 = s64[] constant(0)
// expect:   v0 = c64[] convert(v28)
// expect:   v1 = c64[1,3,7,6] broadcast(v0), dimensions={}
// expect:   v2 = c64[1,3,7,6] select(v27, v15, v1)
// expect:   v30 = f32[1,3,7,6] real(v15)
// expect:   v31 = f32[1,3,7,6] imag(v15)
// expect:   v32 = f32[1,3,7,6] negate(v31)
// expect:   v33 = c64[1,3,7,6] complex(v30, v32)
// expect:   ROOT tuple = (c64[1,3,7,6], c64[1,3,7,6]) tuple(v2, v33)
// expect: }
"builtin.module"() <{sym_name = "jit_masked"}> ({
  "func.func"() <{arg_attrs = [{}, {}, {}], function_type = (tensor<1x5x4x4xcomplex<f32>>, tensor<2x3x2x6xcomplex<f32>>, tensor<i1>) -> (tensor<1x3x7x6xcomplex<f32>>, tensor<1x3x7x6xcomplex<f32>>), res_attrs = [{jax.result_info = "result[0]"}, {jax.result_info = "result[1]"}], sym_name = "main", sym_visibility = "public"}> ({
  ^bb0(%arg3: tensor<1x5x4x4xcomplex<f32>>, %arg4: tensor<2x3x2x6xcomplex<f32>>, %arg5: tensor<i1>):
    %3 = "stablehlo.real"(%arg3) : (tensor<1x5x4x4xcomplex<f32>>) -> tensor<1x5x4x4xf32>
    %4 = "stablehlo.imag"(%arg3) : (tensor<1x5x4x4xcomplex<f32>>) -> tensor<1x5x4x4xf32>
    %5 = "stablehlo.real"(%arg4) : (tensor<2x3x2x6xcomplex<f32>>) -> tensor<2x3x2x6xf32>
    %6 = "stablehlo.imag"(%arg4) : (tensor<2x3x2x6xcomplex<f32>>) -> tensor<2x3x2x6xf32>
    %7 = "stablehlo.add"(%3, %4) : (tensor<1x5x4x4xf32>, tensor<1x5x4x4xf32>) -> tensor<1x5x4x4xf32>
    %8 = "stablehlo.convolution"(%7, %5) <{batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, feature_group_count = 2 : i64, lhs_dilation = array<i64: 1, 2>, padding = dense<[[1, 1], [0, 2]]> : tensor<2x2xi64>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>], rhs_dilation = array<i64: 2, 1>, window_reversal = array<i1: false, false>, window_strides = array<i64: 2, 1>}> : (tensor<1x5x4x4xf32>, tensor<2x3x2x6xf32>) -> tensor<1x3x7x6xf32>
    %9 = "stablehlo.subtract"(%6, %5) : (tensor<2x3x2x6xf32>, tensor<2x3x2x6xf32>) -> tensor<2x3x2x6xf32>
    %10 = "stablehlo.convolution"(%3, %9) <{batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, feature_group_count = 2 : i64, lhs_dilation = array<i64: 1, 2>, padding = dense<[[1, 1], [0, 2]]> : tensor<2x2xi64>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>], rhs_dilation = array<i64: 2, 1>, window_reversal = array<i1: false, false>, window_strides = array<i64: 2, 1>}> : (tensor<1x5x4x4xf32>, tensor<2x3x2x6xf32>) -> tensor<1x3x7x6xf32>
    %11 = "stablehlo.add"(%5, %6) : (tensor<2x3x2x6xf32>, tensor<2x3x2x6xf32>) -> tensor<2x3x2x6xf32>
    %12 = "stablehlo.convolution"(%4, %11) <{batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, feature_group_count = 2 : i64, lhs_dilation = array<i64: 1, 2>, padding = dense<[[1, 1], [0, 2]]> : tensor<2x2xi64>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>], rhs_dilation = array<i64: 2, 1>, window_reversal = array<i1: false, false>, window_strides = array<i64: 2, 1>}> : (tensor<1x5x4x4xf32>, tensor<2x3x2x6xf32>) -> tensor<1x3x7x6xf32>
    %13 = "stablehlo.subtract"(%8, %12) : (tensor<1x3x7x6xf32>, tensor<1x3x7x6xf32>) -> tensor<1x3x7x6xf32>
    %14 = "stablehlo.add"(%8, %10) : (tensor<1x3x7x6xf32>, tensor<1x3x7x6xf32>) -> tensor<1x3x7x6xf32>
    %15 = "stablehlo.complex"(%13, %14) : (tensor<1x3x7x6xf32>, tensor<1x3x7x6xf32>) -> tensor<1x3x7x6xcomplex<f32>>
    %16 = "stablehlo.iota"() <{iota_dimension = 1 : i64}> : () -> tensor<1x3x7x6xi32>
    %17 = "stablehlo.iota"() <{iota_dimension = 2 : i64}> : () -> tensor<1x3x7x6xi32>
    %18 = "stablehlo.xor"(%16, %17) : (tensor<1x3x7x6xi32>, tensor<1x3x7x6xi32>) -> tensor<1x3x7x6xi32>
    %19 = "stablehlo.constant"() <{value = dense<1> : tensor<i32>}> : () -> tensor<i32>
    %20 = "stablehlo.broadcast_in_dim"(%19) <{broadcast_dimensions = array<i64>}> : (tensor<i32>) -> tensor<1x3x7x6xi32>
    %21 = "stablehlo.and"(%18, %20) : (tensor<1x3x7x6xi32>, tensor<1x3x7x6xi32>) -> tensor<1x3x7x6xi32>
    %22 = "stablehlo.constant"() <{value = dense<1> : tensor<i32>}> : () -> tensor<i32>
    %23 = "stablehlo.broadcast_in_dim"(%22) <{broadcast_dimensions = array<i64>}> : (tensor<i32>) -> tensor<1x3x7x6xi32>
    %24 = "stablehlo.compare"(%21, %23) <{compare_type = #stablehlo<comparison_type SIGNED>, comparison_direction = #stablehlo<comparison_direction EQ>}> : (tensor<1x3x7x6xi32>, tensor<1x3x7x6xi32>) -> tensor<1x3x7x6xi1>
    %25 = "stablehlo.not"(%arg5) : (tensor<i1>) -> tensor<i1>
    %26 = "stablehlo.broadcast_in_dim"(%25) <{broadcast_dimensions = array<i64>}> : (tensor<i1>) -> tensor<1x3x7x6xi1>
    %27 = "stablehlo.or"(%24, %26) : (tensor<1x3x7x6xi1>, tensor<1x3x7x6xi1>) -> tensor<1x3x7x6xi1>
    %28 = "stablehlo.constant"() <{value = dense<0> : tensor<i64>}> : () -> tensor<i64>
    %29 = "func.call"(%27, %15, %28) <{callee = @_where}> : (tensor<1x3x7x6xi1>, tensor<1x3x7x6xcomplex<f32>>, tensor<i64>) -> tensor<1x3x7x6xcomplex<f32>>
    %30 = "stablehlo.real"(%15) : (tensor<1x3x7x6xcomplex<f32>>) -> tensor<1x3x7x6xf32>
    %31 = "stablehlo.imag"(%15) : (tensor<1x3x7x6xcomplex<f32>>) -> tensor<1x3x7x6xf32>
    %32 = "stablehlo.negate"(%31) : (tensor<1x3x7x6xf32>) -> tensor<1x3x7x6xf32>
    %33 = "stablehlo.complex"(%30, %32) : (tensor<1x3x7x6xf32>, tensor<1x3x7x6xf32>) -> tensor<1x3x7x6xcomplex<f32>>
    "func.return"(%29, %33) : (tensor<1x3x7x6xcomplex<f32>>, tensor<1x3x7x6xcomplex<f32>>) -> ()
  }) : () -> ()
  "func.func"() <{arg_attrs = [{}, {}, {}], function_type = (tensor<1x3x7x6xi1>, tensor<1x3x7x6xcomplex<f32>>, tensor<i64>) -> tensor<1x3x7x6xcomplex<f32>>, res_attrs = [{}], sym_name = "_where", sym_visibility = "private"}> ({
  ^bb0(%arg0: tensor<1x3x7x6xi1>, %arg1: tensor<1x3x7x6xcomplex<f32>>, %arg2: tensor<i64>):
    %0 = "stablehlo.convert"(%arg2) : (tensor<i64>) -> tensor<complex<f32>>
    %1 = "stablehlo.broadcast_in_dim"(%0) <{broadcast_dimensions = array<i64>}> : (tensor<complex<f32>>) -> tensor<1x3x7x6xcomplex<f32>>
    %2 = "stablehlo.select"(%arg0, %arg1, %1) : (tensor<1x3x7x6xi1>, tensor<1x3x7x6xcomplex<f32>>, tensor<1x3x7x6xcomplex<f32>>) -> tensor<1x3x7x6xcomplex<f32>>
    "func.return"(%2) : (tensor<1x3x7x6xcomplex<f32>>) -> ()
  }) : () -> ()
}) {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} : () -> ()
