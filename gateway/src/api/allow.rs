//! Which methods each path has: RFC 9110, 15.5.6 wants them in every 405, and poem does not say.

use http::HeaderValue;
use poem_openapi::OpenApi;

/// The paths of the application, each with the value of its `Allow` header.
pub struct Allowed(Vec<(String, HeaderValue)>);

impl Allowed {
    /// The paths of `A`, and beside them `others`, which have GET alone.
    pub fn of_api<A: OpenApi>(_api: &A, others: &[&str]) -> Self {
        let described = A::meta().into_iter().flat_map(|api| api.paths).map(|path| {
            let methods: Vec<_> = path
                .operations
                .iter()
                .map(|operation| operation.method.as_str())
                .collect();
            (path.path, methods.join(", "))
        });
        let others = others
            .iter()
            .map(|path| ((*path).to_owned(), "GET".to_owned()));
        Self(
            described
                .chain(others)
                .filter_map(|(path, methods)| Some((path, HeaderValue::try_from(methods).ok()?)))
                .collect(),
        )
    }

    /// The methods of the resource at `path`.
    pub fn of(&self, path: &str) -> Option<HeaderValue> {
        self.find(path).map(|(_, methods)| methods.clone())
    }

    /// The pattern that `path` fits, such as `/v1/files/{file_id}`.
    pub fn pattern(&self, path: &str) -> Option<&str> {
        self.find(path).map(|(pattern, _)| pattern.as_str())
    }

    fn find(&self, path: &str) -> Option<&(String, HeaderValue)> {
        let matching = |template: &&(String, HeaderValue)| matches(&template.0, path);
        // A fixed segment wins over a parameter, as it does in the router.
        self.0
            .iter()
            .filter(matching)
            .min_by_key(|(template, _)| template.matches('{').count())
    }
}

fn matches(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = template.split('/').all(|wanted| {
        segments
            .next()
            .is_some_and(|found| wanted == found || (wanted.starts_with('{') && !found.is_empty()))
    });
    fits && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::files::api;

    #[test]
    fn each_path_tells_its_methods() {
        let allowed = Allowed::of_api(&api(), &["/healthz"]);
        for (path, methods) in [
            ("/healthz", "GET"),
            ("/v1/files", "POST"),
            ("/v1/files/token", "GET, POST, DELETE"),
            ("/v1/files/location", "POST"),
            ("/v1/files/stream", "GET, HEAD"),
            ("/v1/files/stream/abc", "GET, HEAD"),
            ("/v1/files/abc", "GET, HEAD, DELETE"),
        ] {
            assert_eq!(allowed.of(path).unwrap(), methods, "{path}");
        }
        assert_eq!(
            allowed.pattern("/v1/files/abc"),
            Some("/v1/files/{file_id}")
        );
        assert_eq!(allowed.of("/v1/files/a/b"), None);
        assert_eq!(allowed.of("/v1/files/"), None);
    }
}
