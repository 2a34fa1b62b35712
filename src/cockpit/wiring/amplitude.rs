//! For Amplitude's evaluation SDKs, and events in Amplitude's form.
//!
//! An exposure is told of whoever was assigned a variant, and of nobody else. In event mode the event itself is
//! what was exposed, so that nothing else is told.

use super::quote::{js, js_name, js_value, json, object};
use super::subject::{EVENT, USER};
use super::{KEY_VARIABLE, Wiring};

impl Wiring {
    pub(super) fn amplitude_node(&self) -> String {
        let Self {
            api, flag, subject, ..
        } = self;
        let key = self.key('\'', &format!("process.env.{KEY_VARIABLE}"));
        let event = js(&self.event);
        let fields: Vec<String> = subject
            .amplitude()
            .into_iter()
            .chain(subject.amplitude_session())
            .map(|(name, value)| format!("{}: {}", js_name(name), js_value(&value)))
            .collect();
        let user = format!("{{ {} }}", fields.join(", "));
        let own = subject
            .amplitude_property()
            .map(|(name, value)| format!(", {}: {}", js_name(name), js_value(&value)))
            .unwrap_or_default();
        let (asked, id) = if subject.is_event() {
            (
                format!("{{ ...user, event_id: '{EVENT}' }}"),
                format!("'{EVENT}'"),
            )
        } else {
            ("user".to_owned(), "crypto.randomUUID()".to_owned())
        };
        let exposure = if subject.is_event() {
            String::new()
        } else {
            format!(
                "// Before it, the exposure of whoever was assigned a variant; the reason is in the properties.\n\
                 if (variant && !variant.metadata.default) {{\n\
                 \x20 const exposure = {{ flag_key: '{flag}', variant: variant.key, ...properties }};\n\
                 \x20 events.unshift({{\n\
                 \x20   event_type: '$exposure', ...user, insert_id: crypto.randomUUID(), event_properties: exposure,\n\
                 \x20 }});\n\
                 }}\n"
            )
        };
        let about = if subject.is_event() {
            self.about_events()
        } else {
            "What is to be counted, with the attribution."
        };
        format!(
            "// npm install @amplitude/experiment-node-server\n\
             import {{ Experiment }} from '@amplitude/experiment-node-server';\n\
             \n\
             const api = '{api}';\n\
             const key = {key};\n\
             const experiment = Experiment.initializeRemote(key, {{ serverUrl: api }});\n\
             \n\
             const user = {user};\n\
             const variant = (await experiment.fetchV2({asked}))['{flag}'];\n\
             console.log(`${{user.user_id}} sees ${{variant?.key}}`, variant?.payload);\n\
             \n\
             // {about}\n\
             const properties = {{ ...variant?.metadata{own} }};\n\
             const events = [{{ event_type: {event}, ...user, insert_id: {id}, event_properties: properties }}];\n\
             {exposure}\
             await fetch(`${{api}}/2/httpapi`, {{\n\
             \x20 method: 'POST',\n\
             \x20 headers: {{ 'Content-Type': 'application/json' }},\n\
             \x20 body: JSON.stringify({{ api_key: key, events }}),\n\
             }});\n"
        )
    }

    pub(super) fn amplitude_python(&self) -> String {
        let Self {
            api, flag, subject, ..
        } = self;
        let key = self.key('"', &format!("os.environ[\"{KEY_VARIABLE}\"]"));
        let event = json(&self.event);
        let fields = subject.amplitude();
        let who = object(fields.iter().map(|(name, value)| (*name, value)));
        // `User` has no parameters for these, and sends all that it has.
        let visit = subject
            .amplitude_session()
            .map(|(name, value)| format!("user.{name} = who[\"{name}\"] = {value}\n"))
            .unwrap_or_default();
        let (asked, id) = if subject.is_event() {
            (format!("user.event_id = \"{EVENT}\"\n"), format!("\"{EVENT}\""))
        } else {
            (String::new(), "str(uuid.uuid4())".to_owned())
        };
        let own = subject
            .amplitude_property()
            .map(|(name, value)| format!(", {}: {value}", json(name)))
            .unwrap_or_default();
        let exposure = if subject.is_event() {
            String::new()
        } else {
            format!(
                "# Before it, the exposure of whoever was assigned a variant; the reason is in the properties.\n\
                 if variant and not variant.metadata.get(\"default\"):\n\
                 \x20   exposure = {{\"flag_key\": \"{flag}\", \"variant\": variant.key, **properties}}\n\
                 \x20   events.insert(0, event(\"$exposure\", {id}, exposure))\n"
            )
        };
        let about = if subject.is_event() {
            self.about_events()
        } else {
            "What is to be counted, with the attribution."
        };
        let modules = if subject.is_event() { "" } else { ", uuid" };
        format!(
            "# pip install amplitude-experiment\n\
             import json, os, urllib.request{modules}\n\
             from amplitude_experiment import Experiment, RemoteEvaluationConfig, User\n\
             \n\
             api, key = \"{api}\", {key}\n\
             experiment = Experiment.initialize_remote(key, RemoteEvaluationConfig(server_url=api))\n\
             \n\
             who = {who}\n\
             user = User(**who)\n\
             {visit}\
             {asked}\
             variant = experiment.fetch_v2(user).get(\"{flag}\")\n\
             print(\"{USER} sees\", variant and variant.key)\n\
             \n\
             # {about}\n\
             def event(name, id, properties):\n\
             \x20   return {{\"event_type\": name, **who, \"insert_id\": id, \"event_properties\": properties}}\n\
             \n\
             properties = {{**((variant and variant.metadata) or {{}}){own}}}\n\
             events = [event({event}, {id}, properties)]\n\
             {exposure}\
             body = {{\"api_key\": key, \"events\": events}}\n\
             request = urllib.request.Request(\n\
             \x20   api + \"/2/httpapi\", json.dumps(body).encode(), {{\"Content-Type\": \"application/json\"}}\n\
             )\n\
             urllib.request.urlopen(request).close()\n"
        )
    }
}
