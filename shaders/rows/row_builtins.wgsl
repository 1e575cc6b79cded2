// More parameters of an entry point that reduces over a workgroup (row_reduction.wgsl).
//#if SUBGROUPS
@builtin(subgroup_id) subgroup_id: u32,
@builtin(num_subgroups) num_subgroups: u32,
//#endif
