//! The operations of the described resources as OpenAPI 3.0 describes them, from the descriptions alone.

use serde_json::{Map, Value, json};
use store::{Collection, Description, Filter, Form, Post, Posts, ResourceKind, Test};

/// The `paths` of an OpenAPI document: every operation of every described resource, with its parameters, their types,
/// and the status of success.
pub fn openapi_paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for kind in ResourceKind::ALL {
        let description = kind.description();
        for collection in description.collections {
            let (path, own) = path_of(collection);
            let mut operations = collection_of(description, &own);
            if collection.posts == Posts::Elsewhere
                && let Some(operations) = operations.as_object_mut()
            {
                operations.remove("post");
            }
            paths.insert(format!("{path}.json"), operations);
            if collection.view.is_some() {
                continue;
            }
            let mut own = own;
            own.push(path_parameter("Sid"));
            paths.insert(format!("{path}/{{Sid}}.json"), instance_of(description, &own));
        }
    }
    paths
}

/// The query parameters of a list: its filters, then those of its page.
pub(crate) fn query_of(filters: &[Filter]) -> Vec<Value> {
    let parameter =
        |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    let mut query = Vec::new();
    for filter in filters {
        let moment = || json!({"type": "string", "format": "date-time"});
        match filter.test {
            Test::Equal(form) => query.push(parameter(filter.name, schema(form))),
            Test::Digits => query.push(parameter(filter.name, schema(Form::Text))),
            Test::During(_) => query.extend(
                ["", "<", ">"].map(|side| parameter(&format!("{}{side}", filter.name), moment())),
            ),
            Test::Since | Test::Through => query.push(parameter(filter.name, moment())),
            Test::Unless(_) => query.push(parameter(filter.name, schema(Form::Boolean))),
        }
    }
    query.push(parameter("PageSize", json!({"type": "integer", "format": "int64"})));
    query.push(parameter("Page", json!({"type": "integer"})));
    query.push(parameter("PageToken", json!({"type": "string"})));
    query
}

fn collection_of(description: &Description, own: &[Value]) -> Value {
    let mut query = own.to_vec();
    query.append(&mut query_of(description.filters));
    json!({
        "get": {"parameters": query, "responses": {"200": {"description": "OK"}}},
        "post": {
            "parameters": own,
            "requestBody": body(description, Post::Create),
            "responses": {"201": {"description": "Created"}},
        },
    })
}

fn instance_of(description: &Description, own: &[Value]) -> Value {
    let mut operations = json!({
        "get": {"parameters": own, "responses": {"200": {"description": "OK"}}},
        "post": {
            "parameters": own,
            "requestBody": body(description, Post::Update),
            "responses": {"200": {"description": "OK"}},
        },
    });
    if description.deletes {
        let deleted = json!({"204": {"description": "The resource was deleted."}});
        operations["delete"] = json!({"parameters": own, "responses": deleted});
    }
    operations
}

fn body(description: &Description, post: Post) -> Value {
    let taken = description.parameters.iter().filter(|parameter| parameter.taken.has(post));
    let required = taken.clone().filter(|parameter| parameter.required.has(post));
    let required: Vec<&str> = required.map(|parameter| parameter.name).collect();
    let properties: Map<String, Value> =
        taken.map(|parameter| (parameter.name.to_owned(), schema(parameter.form))).collect();
    let schema = json!({"type": "object", "required": required, "properties": properties});
    json!({"content": {"application/x-www-form-urlencoded": {"schema": schema}}})
}

/// The type of a value of a form.
fn schema(form: Form) -> Value {
    match form {
        Form::Text | Form::Name(_) | Form::Secret | Form::Address | Form::Sid(_) => {
            json!({"type": "string"})
        }
        Form::PhoneNumber => json!({"type": "string", "format": "phone-number"}),
        Form::Url => json!({"type": "string", "format": "uri"}),
        Form::Method => {
            json!({"type": "string", "format": "http-method", "enum": ["GET", "POST"]})
        }
        Form::Boolean => json!({"type": "boolean"}),
        Form::Number(..) => json!({"type": "integer"}),
        Form::Word(words) => json!({"type": "string", "enum": words}),
        Form::Level(words) => {
            // The contract's document has the levels of notifications as integers and those of alerts as
            // words.
            let are_numbers = words.iter().all(|(word, _)| word.parse::<i64>().is_ok());
            json!({"type": if are_numbers { "integer" } else { "string" }})
        }
    }
}

/// The path of a collection, with the names that OpenAPI has for its SIDs, and those as parameters.
fn path_of(collection: &Collection) -> (String, Vec<Value>) {
    let mut path = "/2010-04-01".to_owned();
    let mut own = Vec::new();
    for part in collection.path.split('/') {
        path.push('/');
        match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => path.push_str(part),
            Some(shown) => {
                let name = capitalized(shown);
                path.push('{');
                path.push_str(&name);
                path.push('}');
                own.push(path_parameter(&name));
            }
        }
    }
    (path, own)
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

/// `AccountSid` for `account_sid`.
fn capitalized(shown: &str) -> String {
    let mut name = String::with_capacity(shown.len());
    let mut begins = true;
    for letter in shown.chars() {
        match (letter, begins) {
            ('_', _) => begins = true,
            (letter, true) => {
                name.push(letter.to_ascii_uppercase());
                begins = false;
            }
            (letter, false) => name.push(letter),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use store::{CallRecord, Filtered as _, NotificationRecord, RecordingRecord};

    /// Paths that lead to a described resource here and not in the contract's data: an earlier name of a collection,
    /// views, and a kind of our own.
    const OURS: [&str; 6] = [
        "/TwimlBins",
        "/OutgoingCallerIds/Verified",
        "/SIP/IpAccessControlLists/{IpAccessControlListSid}/Addresses",
        "/IncomingPhoneNumbers/Local",
        "/IncomingPhoneNumbers/Mobile",
        "/IncomingPhoneNumbers/TollFree",
    ];

    /// The contract, with what is only a hint to readers taken out.
    fn contract() -> BTreeMap<String, Value> {
        let documents = [
            include_str!("../../../contract/openapi/api_v2010_voice.json"),
            include_str!("../../../contract/openapi/monitor_v1.json"),
        ];
        let mut paths = BTreeMap::new();
        for document in documents {
            let document: Value = serde_json::from_str(document).expect("JSON");
            let found = document["paths"].as_object().expect("paths").clone();
            paths.extend(found);
        }
        paths
    }

    /// What an operation takes and answers: parameters and properties by name, the status of success.
    fn essence(operation: &Value) -> Value {
        let mut parameters: Map<String, Value> = Map::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name").to_owned();
            let mut parameter = parameter.clone();
            let schema = parameter["schema"].as_object_mut().expect("a schema");
            // A phone number is a text, and a filter by date takes a moment too.
            match schema.get("format").and_then(Value::as_str) {
                Some("phone-number") => drop(schema.remove("format")),
                Some("date") => drop(schema.insert("format".to_owned(), "date-time".into())),
                _ => {}
            }
            parameters.insert(name, parameter);
        }
        let form =
            &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        let mut form = form.clone();
        if let Some(required) = form["required"].as_array_mut() {
            required.sort_by_key(ToString::to_string);
        }
        let responses = operation["responses"].as_object().expect("responses");
        let statuses: Vec<&String> = responses.keys().collect();
        json!({"parameters": parameters, "form": form, "responses": statuses})
    }

    /// Parameters of an operation that are accepted without effect, so that no description has them.
    fn ignored(method: &str, path: &str) -> impl Iterator<Item = &'static str> {
        let path = path.replacen("/2010-04-01/Accounts/{AccountSid}", ".", 1);
        let place = format!("{} {path}", method.to_uppercase());
        let lines = include_str!("../../../contract/coverage.tsv").lines();
        let columns = lines.map(|line| line.split('\t').collect::<Vec<_>>());
        let of_place = columns.filter(
            move |columns| matches!(columns[..], [found, _, "ignored", _] if found == place),
        );
        of_place.flat_map(|columns| columns[1].split(' '))
    }

    #[test]
    fn every_described_operation_is_the_one_of_the_contract() {
        let contract = contract();
        for (path, operations) in openapi_paths() {
            if OURS.iter().any(|ours| path.contains(ours)) {
                continue;
            }
            let wanted =
                contract.get(&path).unwrap_or_else(|| panic!("{path} is not in the contract"));
            let wanted = wanted.as_object().expect("operations");
            let found = operations.as_object().expect("operations");
            // The POST of these is no description's: it places a call.
            let is_ours =
                |method: &str| method != "post" || !path.ends_with("/OutgoingCallerIds.json");
            let methods = |map: &Map<String, Value>| {
                map.keys().filter(|method| is_ours(method)).cloned().collect::<Vec<_>>()
            };
            assert_eq!(methods(found), methods(wanted), "{path}");
            for (method, operation) in found {
                let mut wanted = essence(&wanted[method]);
                for name in ignored(method, &path) {
                    for part in ["/parameters", "/form/properties"] {
                        let part = wanted.pointer_mut(part).and_then(Value::as_object_mut);
                        part.map(|part| part.remove(name));
                    }
                }
                assert_eq!(essence(operation), wanted, "{method} {path}");
            }
        }
    }

    #[test]
    fn every_list_of_history_has_the_filters_of_the_contract() {
        let contract = contract();
        let below = "/2010-04-01/Accounts/{AccountSid}";
        let lists: [(String, &[Filter]); 4] = [
            (format!("{below}/Calls.json"), CallRecord::FILTERS),
            (format!("{below}/Recordings.json"), RecordingRecord::FILTERS),
            (format!("{below}/Notifications.json"), NotificationRecord::FILTERS),
            ("/v1/Alerts".to_owned(), NotificationRecord::ALERT_FILTERS),
        ];
        for (path, filters) in lists {
            let mut wanted = essence(&contract[&path]["get"])["parameters"].clone();
            wanted.as_object_mut().expect("parameters").retain(|_, it| it["in"] == "query");
            let query = json!({"parameters": query_of(filters), "responses": {}});
            assert_eq!(essence(&query)["parameters"], wanted, "{path}");
        }
    }
}
