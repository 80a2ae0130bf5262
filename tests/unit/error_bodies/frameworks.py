"""Errors that frameworks make by themselves."""

from __future__ import annotations

from tests.unit.error_bodies import Row

ROWS = {
    "Spring violations": Row(
        "opensource.zalando.com/problem/constraint-violation",
        400,
        """{"type": "https://zalando.github.io/problem/constraint-violation", "title":
        "Constraint Violation", "status": 400, "violations": [{"field": "groups[0].service", "message":
        "not supported"}]}""",
        "https://zalando.github.io/problem/constraint-violation",
        "Constraint Violation; groups[0].service: not supported",
    ),
    "Spring Boot": Row(
        "docs.spring.io/spring-boot, ErrorProperties (include-stacktrace, include-binding-errors)",
        400,
        r"""{"timestamp": "2026-01-01T10:00:00.000+00:00", "status": 400, "error": "Bad Request", "trace":
        "org.springframework.web.BindException\n\tat a.b.C.d(C.java:7)", "message":
        "Validation failed for object='user'. Error count: 1", "errors": [{"codes": [
        "NotBlank.user.name", "NotBlank"], "arguments": [{"codes": ["name"], "defaultMessage": "name",
        "code": "name"}], "defaultMessage": "must not be blank", "objectName": "user", "field": "name",
        "rejectedValue": "secret of somebody", "code": "NotBlank"}], "path": "/api/users"}""",
        "NotBlank",
        "Validation failed for object='user'. Error count: 1; name: must not be blank",
    ),
    "Rails": Row(
        "guides.rubyonrails.org/active_record_validations, errors.to_hash",
        422,
        """{"name": ["can't be blank", "is too short"], "base": ["dates overlap"]}""",
        None,
        "name: can't be blank; name: is too short; dates overlap",
    ),
    "Rails, in development": Row(
        "guides.rubyonrails.org/api_app, config.debug_exception_response_format",
        404,
        """{"status": 404, "error": "Not Found", "exception":
        "#<ActiveRecord::RecordNotFound: Couldn't find User with 'id'=7>", "traces": {
        "Application Trace": [{"id": 1, "trace": "app/controllers/users.rb:7:in 'show'"}]}}""",
        None,
        "#<ActiveRecord::RecordNotFound: Couldn't find User with 'id'=7>",
    ),
    "Laravel": Row(
        "laravel.com/docs/validation, 'Validation Error Response Format'",
        422,
        """{"message": "The team name must be a string. (and 1 more error)", "errors": {"team_name": [
        "The team name must be a string."], "users.0.first_name": ["must be a string."]}}""",
        None,
        "The team name must be a string. (and 1 more error); team_name: The team name must be a string; "
        "users.0.first_name: must be a string.",
    ),
    "Laravel, in development": Row(
        "laravel.com/docs/errors, APP_DEBUG",
        500,
        """{"message": "Call to a member function on null", "exception": "Error", "file":
        "/var/www/app/Http/Users.php", "line": 7, "trace": [{"file": "/var/www/vendor/a.php", "line": 3,
        "function": "call"}]}""",
        None,
        "Call to a member function on null",
    ),
    "Django REST framework": Row(
        "django-rest-framework.org/api-guide/exceptions and /serializers ('Dealing with nested objects')",
        400,
        """{"profile": {"age": ["A valid integer is required."]}, "items": [{}, {"price": [
        "This field may not be null."]}], "non_field_errors": ["The dates overlap."]}""",
        None,
        "profile.age: A valid integer is required; items.1.price: This field may not be null; The dates "
        "overlap.",
    ),
    "FastAPI": Row(
        "fastapi.tiangolo.com/tutorial/handling-errors",
        422,
        """{"detail": [{"type": "int_parsing", "loc": ["body", "items", 0, "age"], "msg":
        "Input should be a valid integer", "input": "what was sent"}]}""",
        None,
        "body.items.0.age: Input should be a valid integer",
    ),
    "Symfony (API Platform)": Row(
        "api-platform.com/docs/core/validation",
        422,
        """{"@context": "/contexts/ConstraintViolationList", "@type": "ConstraintViolationList",
        "hydra:title": "An error occurred", "hydra:description": "The product needs a price",
        "violations": [{"propertyPath": "offers[0].price", "message": "This value should not be blank."}
        ]}""",
        None,
        "The product needs a price; offers[0].price: This value should not be blank.",
    ),
    "Symfony forms": Row(
        "symfony.com/bundles/FOSRestBundle, 'Form errors'",
        400,
        """{"code": 400, "message": "Validation Failed", "errors": {"children": {"name": {"errors": [
        "This value is too short."]}, "age": {}}}}""",
        None,
        "Validation Failed; name: This value is too short.",
    ),
    "ASP.NET Core": Row(
        "learn.microsoft.com/dotnet/api/microsoft.aspnetcore.mvc.validationproblemdetails",
        400,
        """{"type": "https://tools.ietf.org/html/rfc9110#section-15.5.1", "title":
        "One or more validation errors occurred.", "status": 400, "traceId": "00-7-7-00", "errors": {
        "Name": ["is required"], "$.price": ["could not be converted to System.Decimal"]}}""",
        None,
        "One or more validation errors occurred; Name: is required; $.price: could not be converted to "
        "System.Decimal",
    ),
    "NestJS": Row(
        "docs.nestjs.com/techniques/validation",
        400,
        """{"statusCode": 400, "error": "Bad Request", "message": ["email must be an email",
        "age is missing"]}""",
        None,
        "email must be an email; age is missing",
    ),
    "Fastify": Row(
        "fastify.dev/docs/latest/Reference/Validation-and-Serialization (a validation list)",
        400,
        """{"statusCode": 400, "error": "Bad Request", "message": "not valid", "validation": [{"keyword":
        "type", "instancePath": "/age", "params": {"type": "integer"}, "message": "must be integer"}]}""",
        None,
        "not valid; /age: must be integer",
    ),
    "Mongoose": Row(
        "mongoosejs.com/docs/validation.html, 'Validation Errors'",
        400,
        """{"errors": {"email": {"name": "ValidatorError", "message": "Path is required", "kind":
        "required"}}, "_message": "User validation failed"}""",
        None,
        "User validation failed; email: Path is required",
    ),
    "PostgREST": Row(
        "docs.postgrest.org/en/stable/references/errors.html",
        409,
        r"""{"code": "23505", "details": "Key (id)=(7) already exists.", "hint": null, "message":
        "duplicate key value violates unique constraint \"users_pkey\""}""",
        "23505",
        'duplicate key value violates unique constraint "users_pkey": Key (id)=(7) already exists.',
    ),
}
