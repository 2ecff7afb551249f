//! Prints the reference page of the resources. `make generate` writes it to `docs/reference.md`.

fn main() {
    print!("{}", crds::reference_page());
}
