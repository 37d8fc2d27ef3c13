//! What the official SDK can write in TwiML, against the table of what this gateway does with it.

use crate::sdk;

#[test]
fn the_table_of_coverage_knows_all_twiml_that_the_python_sdk_writes() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/coverage.tsv");
    let output = sdk::python_file("twiml_coverage.py", &[table]).output().expect("the SDK");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let unknown = String::from_utf8_lossy(&output.stdout);
    assert!(unknown.is_empty(), "no state in coverage.tsv:\n{unknown}");
}
