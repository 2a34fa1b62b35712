//! One operation of the document, said in a line or a few.

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Access;
use crate::api::openpanel;
use crate::api::problem::{PROBLEM_JSON, Problem};
use crate::api::projects::PROJECT_HEADER;

/// Name of the scheme by which a token is sent.
pub(super) const BEARER: &str = "token";
/// Name of the scheme by which the key of a deployment is sent.
pub(super) const DEPLOYMENT: &str = "deploymentKey";

const JSON: &str = "application/json";

/// Name and definition of a schema.
pub(super) type Named = (String, RefOr<Schema>);

/// One operation, and the schemas that it names.
pub(super) struct Line {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) operation: OperationBuilder,
    schemas: Vec<Named>,
}

/// A media type's schema, with all that it names.
pub(super) struct Said {
    pub(super) schema: RefOr<Schema>,
    pub(super) schemas: Vec<Named>,
}

/// An object.
pub(super) fn one<T: ToSchema>() -> Said {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    Said {
        schema: Ref::from_schema_name(T::name()).into(),
        schemas,
    }
}

/// Something whose form somebody else defines.
pub(super) fn anything() -> Said {
    Said {
        schema: ObjectBuilder::new().schema_type(Type::Object).into(),
        schemas: Vec::new(),
    }
}

/// Objects by their keys.
pub(super) fn by_key<T: ToSchema>() -> Said {
    let Said { schema, schemas } = one::<T>();
    let map = ObjectBuilder::new().additional_properties(Some(schema));
    Said {
        schema: map.into(),
        schemas,
    }
}

/// An event in the envelope of OpenPanel's clients: what its payload holds depends on its type.
pub(super) fn in_envelope() -> Said {
    let kinds = openpanel::Kind::ALL.map(openpanel::Kind::as_str);
    let kind = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(kinds));
    let envelope = ObjectBuilder::new()
        .description(Some("An event in the envelope of OpenPanel's clients."))
        .property("type", kind)
        .required("type")
        .property("payload", ObjectBuilder::new().schema_type(Type::Object))
        .required("payload");
    Said {
        schema: envelope.into(),
        schemas: Vec::new(),
    }
}

/// A list of objects.
pub(super) fn many<T: ToSchema>() -> Said {
    list_of(one::<T>())
}

pub(super) fn list_of(Said { schema, schemas }: Said) -> Said {
    Said {
        schema: ArrayBuilder::new().items(schema).into(),
        schemas,
    }
}

/// Either of two.
pub(super) fn either(a: Said, b: Said) -> Said {
    Said {
        schema: OneOfBuilder::new().item(a.schema).item(b.schema).into(),
        schemas: a.schemas.into_iter().chain(b.schemas).collect(),
    }
}

pub(super) fn line(method: HttpMethod, path: &'static str, tag: &str, access: Access, summary: &str) -> Line {
    let mut operation = OperationBuilder::new()
        .tag(tag)
        .summary(Some(summary))
        .description(Some(access.text()));
    for segment in path.split('/') {
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            operation = operation.parameter(in_path(name));
        }
    }
    if access != Access::Open {
        let project = ParameterBuilder::new()
            .name(PROJECT_HEADER)
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "Key or id of the project, where a token has roles in several; its first one where this is missing.",
            ))
            .schema(Some(String::schema()));
        operation = operation.parameter(project);
    }
    Line {
        method,
        path,
        access,
        operation,
        schemas: Vec::new(),
    }
}

pub(super) fn in_path(name: &str) -> Parameter {
    let says = match name {
        "id_or_key" => "The id (a UUID), or the key, whatever its case.",
        _ => "The id (a UUID).",
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(says))
        .schema(Some(String::schema()))
        .build()
}

impl Line {
    /// Adds the fields of a query.
    pub(super) fn query<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.operation = self.operation.parameter(parameter);
        }
        self
    }

    /// Adds a JSON body.
    pub(super) fn body(self, said: Said) -> Self {
        self.body_of(JSON, said)
    }

    pub(super) fn body_of(mut self, media_type: &str, said: Said) -> Self {
        let content = ContentBuilder::new().schema(Some(said.schema)).build();
        let body = RequestBodyBuilder::new()
            .content(media_type, content)
            .required(Some(Required::True))
            .build();
        self.operation = self.operation.request_body(Some(body));
        self.schemas.extend(said.schemas);
        self
    }

    /// Adds a version in the header instead of `resourceVersion` in the body.
    pub(super) fn if_match(mut self) -> Self {
        let header = ParameterBuilder::new()
            .name("if-match")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "The ETag of the version the change was made from, in place of `resourceVersion`.",
            ))
            .schema(Some(String::schema()));
        self.operation = self.operation.parameter(header);
        self
    }

    /// Adds the header by which a client says which answer it has, and the answer that says it is the same.
    pub(super) fn if_none_match(mut self) -> Self {
        let header = ParameterBuilder::new()
            .name("if-none-match")
            .parameter_in(ParameterIn::Header)
            .description(Some("The ETag of the answer that the client has."))
            .schema(Some(String::schema()));
        self.operation = self.operation.parameter(header);
        self.empty(304, "It is what the client has.")
    }

    /// Adds an answer.
    pub(super) fn answers(mut self, status: u16, description: &str, said: Said) -> Self {
        let content = ContentBuilder::new().schema(Some(said.schema)).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content(JSON, content)
            .build();
        self.operation = self.operation.response(status.to_string(), response);
        self.schemas.extend(said.schemas);
        self
    }

    /// Adds an answer without a body.
    pub(super) fn empty(mut self, status: u16, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).build();
        self.operation = self.operation.response(status.to_string(), response);
        self
    }

    /// With what every operation has: the problem, and who is let in.
    pub(super) fn finish(self) -> (HttpMethod, &'static str, Operation, Vec<Named>) {
        let problem = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .build();
        let refused = ResponseBuilder::new()
            .description("What failed, on what, and what to do.")
            .content(PROBLEM_JSON, problem)
            .build();
        let mut operation = self.operation.response("default", refused);
        let none: [&str; 0] = [];
        if self.access != Access::Open {
            operation = operation.security(SecurityRequirement::new(BEARER, none));
        }
        if matches!(self.access, Access::DeploymentOr(_)) {
            operation = operation.security(SecurityRequirement::new(DEPLOYMENT, none));
        }
        (self.method, self.path, operation.build(), self.schemas)
    }
}
