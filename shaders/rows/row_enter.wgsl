// The first lines of such an entry point.
//#if SUBGROUPS
subgroup = subgroup_id;
subgroups = num_subgroups;
//#endif
