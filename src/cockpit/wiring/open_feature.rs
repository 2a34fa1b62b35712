//! For OpenFeature's clients.

use super::quote::{go_value, js, js_field, js_name, js_value, json, object};
use super::subject::USER;
use super::{KEY_VARIABLE, Wiring};
use crate::domain::ValueKind;

impl Wiring {
    /// The call of an OpenFeature client in camelCase, and the value for when nothing answers.
    fn js_call(&self) -> (&'static str, &'static str) {
        match self.value {
            ValueKind::Boolean => ("getBooleanDetails", "false"),
            ValueKind::Text => ("getStringDetails", "'off'"),
            ValueKind::Integer | ValueKind::Number => ("getNumberDetails", "0"),
            ValueKind::Object => ("getObjectDetails", "{}"),
            ValueKind::List => ("getObjectDetails", "[]"),
        }
    }

    fn js_context(&self) -> String {
        let mut fields = vec![format!("targetingKey: {}", js(USER))];
        fields.extend(
            self.subject
                .context()
                .iter()
                .map(|(name, value)| format!("{}: {}", js_name(name), js_value(value))),
        );
        format!("{{ {} }}", fields.join(", "))
    }

    fn js_track(&self) -> String {
        let (event, about) = (js(&self.event), self.about_events());
        let user = |name: &str| js_field("user", name);
        let mut fields = vec![
            format!("name: {event}"),
            "profileId: user.targetingKey".to_owned(),
        ];
        let own = self.subject.fields();
        fields.extend(
            own.iter()
                .map(|(name, from, _)| format!("{name}: {}", user(from))),
        );
        let mut properties = vec!["...decision.flagMetadata".to_owned()];
        let own = self.subject.properties();
        properties.extend(
            own.iter()
                .map(|(name, from, _)| format!("{}: {}", js_name(name), user(from))),
        );
        format!(
            "// {about}\n\
             await fetch(`${{api}}/track`, {{\n\
             \x20 method: 'POST',\n\
             \x20 headers: {{ Authorization: `Bearer ${{key}}`, 'Content-Type': 'application/json' }},\n\
             \x20 body: JSON.stringify({{\n\
             \x20   {},\n\
             \x20   properties: {{ {} }},\n\
             \x20 }}),\n\
             }});\n",
            fields.join(", "),
            properties.join(", ")
        )
    }

    pub(super) fn js_server(&self) -> String {
        let Self { api, flag, .. } = self;
        let key = self.key('\'', &format!("process.env.{KEY_VARIABLE}"));
        let (call, fallback) = self.js_call();
        let context = self.js_context();
        let track = self.js_track();
        format!(
            "// npm install @openfeature/server-sdk @openfeature/core @openfeature/ofrep-provider\n\
             import {{ OpenFeature }} from '@openfeature/server-sdk';\n\
             import {{ OFREPProvider }} from '@openfeature/ofrep-provider';\n\
             \n\
             const api = '{api}';\n\
             const key = {key};\n\
             const headers = [['Authorization', `Bearer ${{key}}`]];\n\
             await OpenFeature.setProviderAndWait(new OFREPProvider({{ baseUrl: api, headers }}));\n\
             \n\
             const user = {context};\n\
             const decision = await OpenFeature.getClient().{call}('{flag}', {fallback}, user);\n\
             console.log(`${{user.targetingKey}} sees ${{decision.variant}}`, decision.value);\n\
             \n\
             {track}"
        )
    }

    pub(super) fn js_web(&self) -> String {
        let Self { api, flag, .. } = self;
        // A page cannot keep a secret: only the key of a client belongs there.
        let key = self.key('\'', "'the key of a client deployment'");
        let (call, fallback) = self.js_call();
        let context = self.js_context();
        let track = self.js_track();
        format!(
            "// npm install @openfeature/web-sdk @openfeature/core @openfeature/ofrep-web-provider\n\
             import {{ OpenFeature }} from '@openfeature/web-sdk';\n\
             import {{ OFREPWebProvider }} from '@openfeature/ofrep-web-provider';\n\
             \n\
             const api = '{api}';\n\
             const key = {key};\n\
             const user = {context};\n\
             const headers = [['Authorization', `Bearer ${{key}}`]];\n\
             await OpenFeature.setContext(user);\n\
             await OpenFeature.setProviderAndWait(new OFREPWebProvider({{ baseUrl: api, headers }}));\n\
             \n\
             const decision = OpenFeature.getClient().{call}('{flag}', {fallback});\n\
             console.log(`${{user.targetingKey}} sees ${{decision.variant}}`, decision.value);\n\
             \n\
             {track}"
        )
    }

    pub(super) fn python(&self) -> String {
        let Self { api, flag, .. } = self;
        let key = self.key('"', &format!("os.environ[\"{KEY_VARIABLE}\"]"));
        let (call, fallback) = match self.value {
            ValueKind::Boolean => ("get_boolean_details", "False"),
            ValueKind::Text => ("get_string_details", "\"off\""),
            ValueKind::Integer => ("get_integer_details", "0"),
            ValueKind::Number => ("get_float_details", "0.0"),
            ValueKind::Object => ("get_object_details", "{}"),
            ValueKind::List => ("get_object_details", "[]"),
        };
        let (event, about) = (json(&self.event), self.about_events());
        let context = self.subject.context();
        let context = if context.is_empty() {
            String::new()
        } else {
            format!(", {}", object(context.iter().map(|(name, value)| (*name, value))))
        };
        let from = |(name, from): (&str, &str)| format!(", {}: user.attributes[{}]", json(name), json(from));
        let fields = self.subject.fields();
        let fields: String = fields.iter().map(|(name, of, _)| from((name, of))).collect();
        let properties = self.subject.properties();
        let properties: String = properties.iter().map(|(name, of, _)| from((name, of))).collect();
        format!(
            "# pip install openfeature-sdk openfeature-provider-ofrep\n\
             import json, os, urllib.request\n\
             from openfeature import api as openfeature\n\
             from openfeature.contrib.provider.ofrep import OFREPProvider\n\
             from openfeature.evaluation_context import EvaluationContext\n\
             \n\
             api = \"{api}\"\n\
             headers = {{\"Authorization\": \"Bearer \" + {key}}}\n\
             openfeature.set_provider(OFREPProvider(api, headers_factory=lambda: headers))\n\
             \n\
             user = EvaluationContext(\"{USER}\"{context})\n\
             decision = openfeature.get_client().{call}(\"{flag}\", {fallback}, user)\n\
             print(user.targeting_key, \"sees\", decision.variant, decision.value)\n\
             \n\
             # {about}\n\
             event = {{\n\
             \x20   \"name\": {event}, \"profileId\": user.targeting_key{fields},\n\
             \x20   \"properties\": {{**decision.flag_metadata{properties}}},\n\
             }}\n\
             request = urllib.request.Request(\n\
             \x20   api + \"/track\", json.dumps(event).encode(), {{**headers, \"Content-Type\": \"application/json\"}}\n\
             )\n\
             urllib.request.urlopen(request).close()\n"
        )
    }

    pub(super) fn go(&self) -> String {
        let Self { api, flag, .. } = self;
        let key = self.key('"', &format!("os.Getenv(\"{KEY_VARIABLE}\")"));
        let os = if self.key.is_some() { "" } else { "\t\"os\"\n" };
        let (call, fallback) = match self.value {
            ValueKind::Boolean => ("BooleanValueDetails", "false"),
            ValueKind::Text => ("StringValueDetails", "\"off\""),
            ValueKind::Integer => ("IntValueDetails", "0"),
            ValueKind::Number => ("FloatValueDetails", "0"),
            ValueKind::Object => ("ObjectValueDetails", "map[string]any{}"),
            ValueKind::List => ("ObjectValueDetails", "[]any{}"),
        };
        let (event, about) = (json(&self.event), self.about_events());
        let context: Vec<String> = self
            .subject
            .context()
            .iter()
            .map(|(name, value)| format!("{}: {}", json(name), go_value(value)))
            .collect();
        let context = if context.is_empty() {
            "nil".to_owned()
        } else {
            format!("map[string]any{{{}}}", context.join(", "))
        };
        let fields = self.subject.fields();
        let fields: String = fields
            .iter()
            .map(|(name, _, value)| format!("{}: {}, ", json(name), go_value(value)))
            .collect();
        let properties = self.subject.properties();
        let properties: String = properties
            .iter()
            .map(|(name, _, value)| {
                format!("\tdecision.FlagMetadata[{}] = {}\n", json(name), go_value(value))
            })
            .collect();
        format!(
            "// go get github.com/open-feature/go-sdk github.com/open-feature/go-sdk-contrib/providers/ofrep\n\
             package main\n\
             \n\
             import (\n\
             \t\"bytes\"\n\
             \t\"context\"\n\
             \t\"encoding/json\"\n\
             \t\"fmt\"\n\
             \t\"net/http\"\n\
             {os}\
             \n\
             \t\"github.com/open-feature/go-sdk-contrib/providers/ofrep\"\n\
             \t\"github.com/open-feature/go-sdk/openfeature\"\n\
             )\n\
             \n\
             func main() {{\n\
             \tapi, key := \"{api}\", {key}\n\
             \tif err := openfeature.SetProviderAndWait(ofrep.NewProvider(api, ofrep.WithBearerToken(key))); err != nil {{\n\
             \t\tpanic(err)\n\
             \t}}\n\
             \tuser := openfeature.NewEvaluationContext(\"{USER}\", {context})\n\
             \tdecision, err := openfeature.NewClient(\"app\").{call}(context.Background(), \"{flag}\", {fallback}, user)\n\
             \tif err != nil {{\n\
             \t\tpanic(err)\n\
             \t}}\n\
             \tfmt.Println(\"{USER} sees\", decision.Variant, decision.Value)\n\
             \n\
             \t// {about}\n\
             {properties}\
             \tevent, _ := json.Marshal(map[string]any{{\n\
             \t\t\"name\": {event}, \"profileId\": \"{USER}\", {fields}\"properties\": decision.FlagMetadata,\n\
             \t}})\n\
             \trequest, _ := http.NewRequest(\"POST\", api+\"/track\", bytes.NewReader(event))\n\
             \trequest.Header.Set(\"Authorization\", \"Bearer \"+key)\n\
             \trequest.Header.Set(\"Content-Type\", \"application/json\")\n\
             \tanswer, err := http.DefaultClient.Do(request)\n\
             \tif err != nil {{\n\
             \t\tpanic(err)\n\
             \t}}\n\
             \tanswer.Body.Close()\n\
             }}\n"
        )
    }
}
