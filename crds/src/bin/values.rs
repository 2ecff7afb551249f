//! Prints the chart's README. `make generate` writes it to `charts/filegateway/README.md`.

fn main() -> std::io::Result<()> {
    let values = std::fs::read_to_string("charts/filegateway/values.yaml")?;
    print!("{}", crds::values_page(&values));
    Ok(())
}
