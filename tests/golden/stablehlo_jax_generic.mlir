// The same function as stablehlo_jax_pretty.mlir in the generic form.
// run: atrousc print %s
// expect: HloModule jit_block
// expect:
// expect: ENTRY main {
// expect:   arg4 = f32[1,8,8,3] parameter(0)
// expect:   arg5 = f32[3,3,3,4] parameter(1)
// expect:   arg6 = f32[4] parameter(2)
// expect:   v7 = f32[4] constant({0.5, -1, inf, 2})
// expect:   v8 = f32[1,4,3,4] convolution(arg4, arg5), window={size=3x3 stride=2x1 pad=1_1x0_-1 rhs_dilate=1x2}, dim_labels=b01f_01io->b01f
// expect:   v9 = f32[1,1,1,4] broadcast(arg6), dimensions={3}
// expect:   reshape.7 = f32[1,4] reshape(v9)
// expect:   v10 = f32[1,4,3,4] broadcast(reshape.7), dimensions={0,3}
// expect:   v11 = f32[1,4,3,4] add(v8, v10)
// expect:   v1 = f32[] constant(0)
// expect:   v2 = f32[1,4,3,4] broadcast(v1), dimensions={}
// expect:   v3 = f32[1,4,3,4] maximum(v11, v2)
// expect:   v4 = f32[] constant(6)
// expect:   v5 = f32[1,4,3,4] broadcast(v4), dimensions={}
// expect:   v6 = f32[1,4,3,4] minimum(v3, v5)
// expect:   v13 = f32[] constant(3)
// expect:   v14 = f32[1,4,3,4] broadcast(v13), dimensions={}
// expect:   v15 = pred[1,4,3,4] compare(v6, v14), direction=GT
// expect:   v16 = f32[1,1,1,4] broadcast(v7), dimensions={3}
// expect:   reshape.20 = f32[1,4] reshape(v16)
// expect:   v17 = f32[1,4,3,4] broadcast(reshape.20), dimensions={0,3}
// expect:   v18 = f32[1,4,3,4] multiply(v6, v17)
// expect:   v0 = f32[1,4,3,4] select(v15, v6, v18)
// expect:   v20 = f32[] constant(1)
// expect:   v21 = f32[1,16,2,4] pad(v0, v20), padding=0_0_0x1_2_3x-1_0_0x0_0_0
// expect:   v22 = f32[1,16,2,4] reverse(v21), dimensions={1,2}
// expect:   v23 = f32[1,32,2,4] concatenate(v22, v22), dimensions={1}
// expect:   v24 = f32[1,15,2,4] slice(v23), slice={[0:1:1], [1:31:2], [0:2:1], [0:4:1]}
// expect:   v25 = bf16[1,15,2,4] convert(v24)
// expect:   v1.30 = f32[] constant(0)
// expect:   v2.31 = f32[1,4,3,4] broadcast(v1.30), dimensions={}
// expect:   v3.32 = f32[1,4,3,4] maximum(v0, v2.31)
// expect:   v4.33 = f32[] constant(6)
// expect:   v5.34 = f32[1,4,3,4] broadcast(v4.33), dimensions={}
// expect:   v6.35 = f32[1,4,3,4] minimum(v3.32, v5.34)
// expect:   v27 = f32[4,1,4,3] transpose(v6.35), dimensions={3,0,1,2}
// expect:   ROOT tuple = (bf16[1,15,2,4], f32[4,1,4,3]) tuple(v25, v27)
// expect: }
"builtin.module"() <{sym_name = "jit_block"}> ({
  "func.func"() <{arg_attrs = [{}, {}, {}], function_type = (tensor<1x8x8x3xf32>, tensor<3x3x3x4xf32>, tensor<4xf32>) -> (tensor<1x15x2x4xbf16>, tensor<4x1x4x3xf32>), res_attrs = [{jax.result_info = "result[0]"}, {jax.result_info = "result[1]"}], sym_name = "main", sym_visibility = "public"}> ({
  ^bb0(%arg4: tensor<1x8x8x3xf32>, %arg5: tensor<3x3x3x4xf32>, %arg6: tensor<4xf32>):
    %7 = "stablehlo.constant"() <{value = dense<[5.000000e-01, -1.000000e+00, 0x7F800000, 2.000000e+00]> : tensor<4xf32>}> : () -> tensor<4xf32>
    %8 = "stablehlo.convolution"(%arg4, %arg5) <{batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, feature_group_count = 1 : i64, lhs_dilation = array<i64: 1, 1>, padding = dense<[[1, 1], [0, -1]]> : tensor<2x2xi64>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>], rhs_dilation = array<i64: 1, 2>, window_reversal = array<i1: false, false>, window_strides = array<i64: 2, 1>}> : (tensor<1x8x8x3xf32>, tensor<3x3x3x4xf32>) -> tensor<1x4x3x4xf32>
    %9 = "stablehlo.broadcast_in_dim"(%arg6) <{broadcast_dimensions = array<i64: 3>}> : (tensor<4xf32>) -> tensor<1x1x1x4xf32>
    %10 = "stablehlo.broadcast_in_dim"(%9) <{broadcast_dimensions = array<i64: 0, 1, 2, 3>}> : (tensor<1x1x1x4xf32>) -> tensor<1x4x3x4xf32>
    %11 = "stablehlo.add"(%8, %10) : (tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    %12 = "func.call"(%11) <{callee = @relu6}> : (tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    %13 = "stablehlo.constant"() <{value = dense<3.000000e+00> : tensor<f32>}> : () -> tensor<f32>
    %14 = "stablehlo.broadcast_in_dim"(%13) <{broadcast_dimensions = array<i64>}> : (tensor<f32>) -> tensor<1x4x3x4xf32>
    %15 = "stablehlo.compare"(%12, %14) <{compare_type = #stablehlo<comparison_type FLOAT>, comparison_direction = #stablehlo<comparison_direction GT>}> : (tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xi1>
    %16 = "stablehlo.broadcast_in_dim"(%7) <{broadcast_dimensions = array<i64: 3>}> : (tensor<4xf32>) -> tensor<1x1x1x4xf32>
    %17 = "stablehlo.broadcast_in_dim"(%16) <{broadcast_dimensions = array<i64: 0, 1, 2, 3>}> : (tensor<1x1x1x4xf32>) -> tensor<1x4x3x4xf32>
    %18 = "stablehlo.multiply"(%12, %17) : (tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    %19 = "func.call"(%15, %12, %18) <{callee = @_where}> : (tensor<1x4x3x4xi1>, tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    %20 = "stablehlo.constant"() <{value = dense<1.000000e+00> : tensor<f32>}> : () -> tensor<f32>
    %21 = "stablehlo.pad"(%19, %20) <{edge_padding_high = array<i64: 0, 2, 0, 0>, edge_padding_low = array<i64: 0, 1, -1, 0>, interior_padding = array<i64: 0, 3, 0, 0>}> : (tensor<1x4x3x4xf32>, tensor<f32>) -> tensor<1x16x2x4xf32>
    %22 = "stablehlo.reverse"(%21) <{dimensions = array<i64: 1, 2>}> : (tensor<1x16x2x4xf32>) -> tensor<1x16x2x4xf32>
    %23 = "stablehlo.concatenate"(%22, %22) <{dimension = 1 : i64}> : (tensor<1x16x2x4xf32>, tensor<1x16x2x4xf32>) -> tensor<1x32x2x4xf32>
    %24 = "stablehlo.slice"(%23) <{limit_indices = array<i64: 1, 31, 2, 4>, start_indices = array<i64: 0, 1, 0, 0>, strides = array<i64: 1, 2, 1, 1>}> : (tensor<1x32x2x4xf32>) -> tensor<1x15x2x4xf32>
    %25 = "stablehlo.convert"(%24) : (tensor<1x15x2x4xf32>) -> tensor<1x15x2x4xbf16>
    %26 = "func.call"(%19) <{callee = @relu6}> : (tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    %27 = "stablehlo.transpose"(%26) <{permutation = array<i64: 3, 0, 1, 2>}> : (tensor<1x4x3x4xf32>) -> tensor<4x1x4x3xf32>
    "func.return"(%25, %27) : (tensor<1x15x2x4xbf16>, tensor<4x1x4x3xf32>) -> ()
  }) : () -> ()
  "func.func"() <{arg_attrs = [{}], function_type = (tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>, res_attrs = [{}], sym_name = "relu6", sym_visibility = "private"}> ({
  ^bb0(%arg3: tensor<1x4x3x4xf32>):
    %1 = "stablehlo.constant"() <{value = dense<0.000000e+00> : tensor<f32>}> : () -> tensor<f32>
    %2 = "stablehlo.broadcast_in_dim"(%1) <{broadcast_dimensions = array<i64>}> : (tensor<f32>) -> tensor<1x4x3x4xf32>
    %3 = "stablehlo.maximum"(%arg3, %2) : (tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    %4 = "stablehlo.constant"() <{value = dense<6.000000e+00> : tensor<f32>}> : () -> tensor<f32>
    %5 = "stablehlo.broadcast_in_dim"(%4) <{broadcast_dimensions = array<i64>}> : (tensor<f32>) -> tensor<1x4x3x4xf32>
    %6 = "stablehlo.minimum"(%3, %5) : (tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    "func.return"(%6) : (tensor<1x4x3x4xf32>) -> ()
  }) : () -> ()
  "func.func"() <{arg_attrs = [{}, {}, {}], function_type = (tensor<1x4x3x4xi1>, tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>, res_attrs = [{}], sym_name = "_where", sym_visibility = "private"}> ({
  ^bb0(%arg0: tensor<1x4x3x4xi1>, %arg1: tensor<1x4x3x4xf32>, %arg2: tensor<1x4x3x4xf32>):
    %0 = "stablehlo.select"(%arg0, %arg1, %arg2) : (tensor<1x4x3x4xi1>, tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xf32>
    "func.return"(%0) : (tensor<1x4x3x4xf32>) -> ()
  }) : () -> ()
}) {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} : () -> ()
