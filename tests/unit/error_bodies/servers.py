"""Errors of servers that one runs oneself."""

from __future__ import annotations

from tests.unit.error_bodies import Row

ROWS = {
    "GitLab": Row(
        "docs.gitlab.com/api/rest/troubleshooting, 'Validation errors'",
        400,
        """{"message": {"name": ["can't be blank"], "path": ["is too short"]}}""",
        None,
        "name: can't be blank; path: is too short",
    ),
    "GitLab, a scope": Row(
        "docs.gitlab.com/api/rest/authentication",
        403,
        """{"error": "insufficient_scope", "error_description": "The request requires higher privileges.",
        "scope": "api"}""",
        "insufficient_scope",
        "The request requires higher privileges.",
    ),
    "PocketBase": Row(
        "pocketbase.io/docs/api-records, responses 400",
        400,
        """{"data": {"title": {"code": "validation_required", "message": "Missing required value."}},
        "message": "Failed to create record.", "status": 400}""",
        None,
        "Failed to create record; title: Missing required value.",
    ),
    "PocketBase, fields in groups": Row(
        "pocketbase.io/docs/api-settings, 'Update settings', responses 400",
        400,
        """{"status": 400, "message": "An error occurred while submitting the form.", "data": {"meta": {
        "appName": {"code": "validation_required", "message": "Missing required value."}}, "smtp": {"host": {
        "code": "validation_required", "message": "Missing required value."}, "port": {"code":
        "validation_is_port", "message": "Must be a valid port."}}}}""",
        None,
        "An error occurred while submitting the form; meta.appName: Missing required value; smtp.host:"
        " Missing required value; smtp.port: Must be a valid port.",
    ),
    "PocketBase, a field of a group and another": Row(
        "pocketbase.io/docs/api-settings, as before",
        400,
        """{"status": 400, "message": "Failed.", "data": {"s3": {"bucket": {"code": "validation_required",
        "message": "Cannot be blank."}}, "logs": {"code": "validation_invalid", "message": "Too many."}}}""",
        None,
        "s3.bucket: Cannot be blank; logs: Too many.",
    ),
    "PocketBase, a batch": Row(
        "pocketbase.io/docs/api-records, 'Batch create/update/upsert/delete records', responses 400",
        400,
        """{"status": 400, "message": "Batch transaction failed.", "data": {"requests": {"1": {"code":
        "batch_request_failed", "message": "Batch request failed.", "response": {"status": 400, "message":
        "Failed to create record.", "data": {"id": {"code": "validation_min_text_constraint", "message":
        "Must be at least 3 character(s).", "params": {"min": 3}}}}}}}}""",
        None,
        "Batch transaction failed; requests.1: Batch request failed; requests.1: Failed to create record;"
        " requests.1.id: Must be at least 3 character(s).",
    ),
    "data beside an error": Row(
        "none; a record that was sent back tells of no error, be it in groups",
        409,
        """{"message": "It exists", "data": {"user": {"name": {"first": "Ada", "message": "hello"}}}}""",
        None,
        "It exists",
    ),
    "Kinto": Row(
        "docs.kinto-storage.org/en/stable/api/1.x/errors.html",
        400,
        """{"code": 400, "errno": 107, "error": "Invalid parameters", "message": "not valid", "details": [{
        "location": "body", "name": "data", "description": "data in body: Required"}]}""",
        "107",
        "Invalid parameters: not valid; data in body: Required",
    ),
    "Strapi": Row(
        "docs.strapi.io/cms/error-handling",
        400,
        """{"data": null, "error": {"status": 400, "name": "ValidationError", "message":
        "2 errors occurred", "details": {"errors": [{"path": ["title"], "message": "must be defined",
        "name": "ValidationError"}]}}}""",
        "ValidationError",
        "2 errors occurred; title: must be defined",
    ),
    "Elasticsearch, a bulk": Row(
        "elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk",
        200,
        """{"took": 30, "errors": true, "items": [{"index": {"_index": "t", "status": 400, "error": {
        "type": "x_exception", "reason": "failed to parse"}}}]}""",
        None,
        "items.0.index: failed to parse",
    ),
    "Prometheus": Row(
        "prometheus.io/docs/prometheus/latest/querying/api, 'Format overview'",
        400,
        """{"status": "error", "errorType": "bad_data", "error": "1:3: parse error: unexpected end"}""",
        "bad_data",
        "1:3: parse error: unexpected end",
    ),
    "Splunk": Row(
        "docs.splunk.com/Documentation/Splunk/latest/RESTUM, 'Response messages'",
        400,
        """{"messages": [{"type": "FATAL", "text": "Unknown search command 'x'."}]}""",
        None,
        "Unknown search command 'x'.",
    ),
    "Vault": Row(
        "developer.hashicorp.com/vault/api-docs, 'Error response'",
        403,
        """{"errors": ["permission denied"]}""",
        None,
        "permission denied",
    ),
    "Keycloak": Row(
        "keycloak.org/docs-api/latest/rest-api, ErrorRepresentation",
        409,
        """{"errorMessage": "User exists with same username"}""",
        None,
        "User exists with same username",
    ),
    "CKAN": Row(
        "docs.ckan.org/en/latest/api, 'Making an API request'",
        409,
        """{"help": "https://example.com/api", "success": false, "error": {"__type": "Validation Error",
        "name": ["Missing value"]}}""",
        None,
        "name: Missing value",
    ),
    "Odoo": Row(
        "odoo.com/documentation/17.0/developer/reference/external_api.html (JSON-RPC errors)",
        200,
        """{"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": {
        "name": "odoo.exceptions.ValidationError", "debug": "Traceback (most recent call last):",
        "message": "The value is wrong", "arguments": ["The value is wrong"]}}}""",
        None,
        "Odoo Server Error; The value is wrong",
    ),
    "JSON-RPC": Row(
        "jsonrpc.org/specification, section 5.1",
        200,
        """{"jsonrpc": "2.0", "error": {"code": -32602, "message": "Invalid params", "data": "x is missing"
        }, "id": 1}""",
        "-32602",
        "Invalid params: x is missing",
    ),
    "Micronaut (HAL)": Row(
        "docs.micronaut.io/latest/guide, 'Error Formatting'",
        400,
        """{"message": "Bad Request", "_links": {"self": {"href": "/x", "templated": false}}, "_embedded":
        {"errors": [{"message": "user.name: must not be blank", "path": "/name"}]}}""",
        None,
        "/name: user.name: must not be blank",
    ),
    "Matrix": Row(
        "spec.matrix.org/latest/client-server-api, 'Standard error response'",
        403,
        """{"errcode": "M_FORBIDDEN", "error": "You are not allowed to do this"}""",
        "M_FORBIDDEN",
        "You are not allowed to do this",
    ),
}
