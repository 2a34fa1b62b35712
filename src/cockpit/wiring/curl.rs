//! For a shell.

use serde_json::Value;

use super::quote::{json, json_value, object, shell};
use super::subject::USER;
use super::{KEY_VARIABLE, Wiring};

impl Wiring {
    pub(super) fn curl(&self) -> String {
        let Self {
            api, flag, subject, ..
        } = self;
        let key = match &self.key {
            Some(key) => format!("KEY={key}\n"),
            None => format!("KEY=${{{KEY_VARIABLE}:?set it to the key of the deployment}}\n"),
        };
        let user = Value::from(USER);
        let more = subject.context();
        let more = more.iter().map(|(name, value)| (*name, value));
        let context = shell(&object(std::iter::once(("targetingKey", &user)).chain(more)));
        let (name, about) = (Value::from(self.event.as_str()), self.about_events());
        let fields = subject.fields();
        let fields = fields.iter().map(|(name, _, value)| (*name, value));
        let event = object([("name", &name), ("profileId", &user)].into_iter().chain(fields));
        let event = shell(event.trim_end_matches('}'));
        // What comes before what the answer says, whose first brace then falls away.
        let own: String = subject
            .properties()
            .iter()
            .map(|(name, _, value)| format!("{}: {}, ", json(name), json_value(value)))
            .collect();
        let properties = if own.is_empty() {
            "'\"$METADATA\"'".to_owned()
        } else {
            format!("{{{}'\"${{METADATA#?}}\"'", shell(&own))
        };
        format!(
            "# Ask for the variant, and for what is to be told with events: experiment, variant, reason.\n\
             API={api}\n\
             {key}\
             ANSWER=$(curl -fsS \"$API/ofrep/v1/evaluate/flags/{flag}\" \\\n\
             \x20 -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n\
             \x20 -d '{{\"context\": {context}}}')\n\
             VARIANT=$(printf '%s\\n' \"$ANSWER\" | sed 's/.*\"variant\":\"\\([^\"]*\\)\".*/\\1/')\n\
             METADATA=$(printf '%s\\n' \"$ANSWER\" | sed 's/.*\"metadata\":\\(.*\\)}}/\\1/')\n\
             echo \"u-1 sees $VARIANT\"\n\
             \n\
             # {about}\n\
             curl -fsS \"$API/track\" \\\n\
             \x20 -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n\
             \x20 -d '{event}, \"properties\": {properties}}}'\n"
        )
    }
}
