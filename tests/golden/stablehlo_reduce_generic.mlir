// Sums as jax prints them, in the generic form.
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
// expect:   v0 = f32[] constant(0)
// expect:   v1 = f32[3] reduce(arg0, v0), dimensions={0,2}, to_apply=add_f32
// expect:   v2 = c64[] constant((0, 0))
// expect:   v3 = c64[] reduce(arg1, v2), dimensions={0}, to_apply=add_c64
// expect:   v4 = f32[] constant(0)
// expect:   v5 = f32[2,4] reduce(arg0, v4), dimensions={1}, to_apply=add_f32
// expect:   ROOT tuple = (f32[3], c64[], f32[2,4]) tuple(v1, v3, v5)
// expect: }
"builtin.module"() <{sym_name = "jit_f"}> ({
  "func.func"() <{arg_attrs = [{}, {}], function_type = (tensor<2x3x4xf32>, tensor<5xcomplex<f32>>) -> (tensor<3xf32>, tensor<complex<f32>>, tensor<2x4xf32>), res_attrs = [{jax.result_info = "result[0]"}, {jax.result_info = "result[1]"}, {jax.result_info = "result[2]"}], sym_name = "main", sym_visibility = "public"}> ({
  ^bb0(%arg0: tensor<2x3x4xf32>, %arg1: tensor<5xcomplex<f32>>):
    %0 = "stablehlo.constant"() <{value = dense<0.000000e+00> : tensor<f32>}> : () -> tensor<f32>
    %1 = "stablehlo.reduce"(%arg0, %0) <{dimensions = array<i64: 0, 2>}> ({
    ^bb0(%arg6: tensor<f32>, %arg7: tensor<f32>):
      %8 = "stablehlo.add"(%arg6, %arg7) : (tensor<f32>, tensor<f32>) -> tensor<f32>
      "stablehlo.return"(%8) : (tensor<f32>) -> ()
    }) : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<3xf32>
    %2 = "stablehlo.constant"() <{value = dense<(0.000000e+00,0.000000e+00)> : tensor<complex<f32>>}> : () -> tensor<complex<f32>>
    %3 = "stablehlo.reduce"(%arg1, %2) <{dimensions = array<i64: 0>}> ({
    ^bb0(%arg4: tensor<complex<f32>>, %arg5: tensor<complex<f32>>):
      %7 = "stablehlo.add"(%arg4, %arg5) : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
      "stablehlo.return"(%7) : (tensor<complex<f32>>) -> ()
    }) : (tensor<5xcomplex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
    %4 = "stablehlo.constant"() <{value = dense<0.000000e+00> : tensor<f32>}> : () -> tensor<f32>
    %5 = "stablehlo.reduce"(%arg0, %4) <{dimensions = array<i64: 1>}> ({
    ^bb0(%arg2: tensor<f32>, %arg3: tensor<f32>):
      %6 = "stablehlo.add"(%arg2, %arg3) : (tensor<f32>, tensor<f32>) -> tensor<f32>
      "stablehlo.return"(%6) : (tensor<f32>) -> ()
    }) : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x4xf32>
    "func.return"(%1, %3, %5) : (tensor<3xf32>, tensor<complex<f32>>, tensor<2x4xf32>) -> ()
  }) : () -> ()
}) {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} : () -> ()

