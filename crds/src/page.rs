//! The reference page, made from the schemas that the API server gets.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// Fields whose content is a type of Kubernetes' own, described in its documentation.
const FOREIGN: [(&str, &str); 8] = [
    ("affinity", "Affinity"),
    ("clients", "list of NetworkPolicyPeer"),
    ("conditions", "list of Condition"),
    ("resources", "ResourceRequirements"),
    ("scrapers", "list of NetworkPolicyPeer"),
    ("selector", "LabelSelector"),
    ("to", "list of NetworkPolicyPeer"),
    ("tolerations", "list of Toleration"),
];

const HEAD: &str = "# Reference of the resources

Generated from `crds/src` by `make generate`; change it there. `kubectl explain filegateway.spec --recursive` tells the same.
Types of Kubernetes' own (ResourceRequirements, Affinity, NetworkPolicyPeer and so on) are those of its
[API](https://kubernetes.io/docs/reference/kubernetes-api/); a quantity is a number with a suffix, as `5Gi` or `500m`.
";

/// All definitions as one page of Markdown.
pub fn page(definitions: &[(&str, CustomResourceDefinition)]) -> String {
    let mut text = HEAD.to_string();
    for (_, definition) in definitions {
        for version in &definition.spec.versions {
            let schema = version
                .schema
                .as_ref()
                .and_then(|schema| schema.open_api_v3_schema.as_ref());
            if let Some(schema) = schema {
                let names = &definition.spec.names;
                let short = names.short_names.iter().flatten().next();
                let _ = write!(
                    text,
                    "\n## {} (`{}/{}`, `{}`)\n\n{}\n",
                    names.kind,
                    definition.spec.group,
                    version.name,
                    short.unwrap_or(&names.plural),
                    flat(schema.description.as_deref().unwrap_or_default()),
                );
                table(&mut text, schema);
                rules(&mut text, schema);
            }
        }
    }
    text
}

fn table(text: &mut String, schema: &JSONSchemaProps) {
    text.push_str("\n| field | type | default | meaning |\n| --- | --- | --- | --- |\n");
    for part in ["spec", "status"] {
        if let Some(part_schema) = schema.properties.iter().flatten().find(|(n, _)| *n == part) {
            rows(text, part, part_schema.1);
        }
    }
}

fn rows(text: &mut String, path: &str, schema: &JSONSchemaProps) {
    let required = |name: &String| schema.required.iter().flatten().any(|known| known == name);
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let foreign = FOREIGN
            .iter()
            .find(|(field, _)| field == name && !matches!(kind(property), "string" | "boolean"));
        let type_ = foreign.map_or_else(|| type_of(property), |(_, type_)| (*type_).to_string());
        let default = match &property.default {
            Some(default) if !default.0.is_object() => format!("`{}`", default.0),
            _ if required(name) && path.starts_with("spec") => "required".into(),
            _ => String::new(),
        };
        let meaning = flat(property.description.as_deref().unwrap_or_default());
        let _ = writeln!(text, "| `{path}` | {type_} | {default} | {meaning} |");
        if foreign.is_some() {
            continue;
        }
        rows(text, &path, property);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &property.items {
            rows(text, &format!("{path}[]"), items);
        }
    }
}

fn kind(schema: &JSONSchemaProps) -> &str {
    schema.type_.as_deref().unwrap_or_default()
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return "quantity".into();
    }
    if let Some(values) = &schema.enum_ {
        let words: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", value.0.as_str().unwrap_or_default()))
            .collect();
        return words.join(", ");
    }
    let number = |value: f64| format!("{value}");
    match (kind(schema), schema.minimum, schema.maximum) {
        ("integer", Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
        ("integer", Some(low), None) => format!("{} or more", number(low)),
        ("array", ..) => match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => format!("list of {}", type_of(items)),
            _ => "list".into(),
        },
        ("object", ..) if schema.additional_properties.is_some() => "map of strings".into(),
        ("string", ..) => schema.format.clone().unwrap_or_else(|| "string".into()),
        (other, ..) => other.into(),
    }
}

/// What the API server refuses beyond wrong types, in the words that it refuses it with.
fn rules(text: &mut String, schema: &JSONSchemaProps) {
    let mut messages = Vec::new();
    collect(schema, &mut messages);
    if messages.is_empty() {
        return;
    }
    text.push_str("\nRefused by the API server, with advice:\n\n");
    for message in messages {
        let _ = writeln!(text, "- {message}");
    }
}

fn collect(schema: &JSONSchemaProps, messages: &mut Vec<String>) {
    let own = schema.x_kubernetes_validations.iter().flatten();
    messages.extend(own.filter_map(|rule| rule.message.clone()));
    for property in schema
        .properties
        .iter()
        .flatten()
        .map(|(_, property)| property)
    {
        collect(property, messages);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        collect(items, messages);
    }
}

/// One line that fits into a table.
fn flat(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
