//! Bindings by values: what each REGISTER leaves in the table.
