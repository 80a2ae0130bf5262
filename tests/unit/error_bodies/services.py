"""Errors of services."""

from __future__ import annotations

from tests.unit.error_bodies import Row

ROWS = {
    "Google, older APIs": Row(
        "developers.google.com/drive/api/guides/handle-errors",
        404,
        """{"error": {"errors": [{"domain": "global", "reason": "notFound", "message":
        "File not found: 7.", "locationType": "parameter", "location": "fileId"}], "code": 404,
        "message": "File not found: 7."}}""",
        "notFound",
        "fileId: File not found: 7.",
    ),
    "GitHub": Row(
        "docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api, 'Validation failed'",
        422,
        """{"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "title", "code":
        "missing_field"}], "documentation_url": "https://docs.github.com/rest/issues"}""",
        "missing_field",
        "Validation Failed; title: missing_field",
    ),
    "Stripe": Row(
        "docs.stripe.com/api/errors",
        400,
        """{"error": {"code": "parameter_invalid_integer", "doc_url":
        "https://stripe.com/docs/error-codes/parameter-invalid-integer", "message":
        "Invalid integer: ten", "param": "amount", "request_log_url":
        "https://dashboard.stripe.com/logs/req_7", "type": "invalid_request_error"}}""",
        "parameter_invalid_integer",
        "amount: Invalid integer: ten",
    ),
    "Salesforce": Row(
        "developer.salesforce.com/docs, REST API, 'Status Codes and Error Responses'",
        400,
        """[{"message": "Required fields are missing: [Name]", "errorCode": "REQUIRED_FIELD_MISSING",
        "fields": ["Name"]}]""",
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [Name]",
    ),
    "Microsoft Graph": Row(
        "learn.microsoft.com/graph/errors",
        400,
        """{"error": {"code": "badRequest", "message": "Uploaded fragment overlaps with existing data.",
        "innerError": {"code": "invalidRange", "request-id": "r-1", "date": "2026-01-01T10:00:00"}}}""",
        "badRequest",
        "Uploaded fragment overlaps with existing data; invalidRange",
    ),
    "Slack": Row(
        "docs.slack.dev/apis/web-api, 'Evaluating responses'",
        200,
        """{"ok": false, "error": "invalid_arguments", "response_metadata": {"messages": [
        "[ERROR] missing required field: channel"]}}""",
        "invalid_arguments",
        "[ERROR] missing required field: channel",
    ),
    "Slack, a scope": Row(
        "docs.slack.dev/reference/methods/chat.postMessage, error missing_scope",
        200,
        """{"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "identify"}""",
        "missing_scope",
        "missing_scope; needed: chat:write",
    ),
    "Shopify": Row(
        "shopify.dev/docs/api/usage/response-codes, 422",
        422,
        """{"errors": {"title": ["can't be blank"], "base": ["Line items are invalid"]}}""",
        None,
        "title: can't be blank; Line items are invalid",
    ),
    "Shopify, one text": Row(
        "shopify.dev/docs/api/usage/response-codes, 404",
        404,
        """{"errors": "Not Found"}""",
        None,
        "Not Found",
    ),
    "Elasticsearch": Row(
        "elastic.co/docs/api/doc/elasticsearch, ErrorCause (type, reason, root_cause, caused_by)",
        400,
        r"""{"error": {"root_cause": [{"type": "mapper_parsing_exception", "reason":
        "failed to parse field [age]"}], "type": "mapper_parsing_exception", "reason":
        "failed to parse field [age]", "caused_by": {"type": "number_format_exception", "reason":
        "For input string: \"x\""}}, "status": 400}""",
        "mapper_parsing_exception",
        'failed to parse field [age]; For input string: "x"',
    ),
    "Kubernetes": Row(
        "kubernetes.io/docs/reference/kubernetes-api/common-definitions/status (causes)",
        422,
        r"""{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message":
        "Pod \"web\" is invalid", "reason": "Invalid", "details": {"name": "web", "kind": "Pod",
        "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field":
        "spec.containers"}]}, "code": 422}""",
        "Invalid",
        'Pod "web" is invalid; spec.containers: Required value',
    ),
    "Zendesk": Row(
        "developer.zendesk.com/api-reference/introduction/requests, '422'",
        422,
        """{"error": "RecordInvalid", "description": "Record validation errors", "details": {"value": [{
        "type": "blank", "description": "can't be blank"}, {"type": "invalid", "description":
        "is not properly formatted"}]}}""",
        "RecordInvalid",
        "Record validation errors; value: can't be blank; value: is not properly formatted",
    ),
    "HubSpot": Row(
        "developers.hubspot.com/docs/faq/api-error-responses",
        400,
        """{"status": "error", "message": "Property values were not valid", "errors": [{"message":
        "it is no mail address", "context": {"propertyName": ["email"]}}, {"message": "it is too long",
        "in": "name"}], "category": "VALIDATION_ERROR", "correlationId":
        "a43683b0-5717-4ceb-80b4-104d02915d8c"}""",
        "VALIDATION_ERROR",
        "Property values were not valid; email: it is no mail address; name: it is too long",
    ),
    "AWS": Row(
        "docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html",
        400,
        """{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message":
        "Requested resource not found: Table: t not found"}""",
        "ResourceNotFoundException",
        "Requested resource not found: Table: t not found",
    ),
    "Discord": Row(
        "discord.com/developers/docs/reference, 'Error Messages'",
        400,
        """{"code": 50035, "errors": {"activities": {"0": {"platform": {"_errors": [{"code":
        "BASE_TYPE_CHOICES", "message": "Pick one."}]}}}}, "message": "Invalid Form Body"}""",
        "50035",
        "Invalid Form Body; activities.0.platform: Pick one.",
    ),
    "Okta": Row(
        "developer.okta.com/docs/reference/error-codes",
        400,
        """{"errorCode": "E0000001", "errorSummary": "Api validation failed: login", "errorLink":
        "E0000001", "errorId": "oae7", "errorCauses": [{"errorSummary":
        "login: An object with this field already exists"}]}""",
        "E0000001",
        "Api validation failed: login; login: An object with this field already exists",
    ),
    "Jira": Row(
        "developer.atlassian.com/cloud/jira/platform/rest/v3, ErrorCollection",
        400,
        """{"errorMessages": ["The board is closed."], "errors": {"summary": "It must be given."},
        "status": 400}""",
        None,
        "The board is closed; summary: It must be given.",
    ),
    "Box": Row(
        "developer.box.com/reference/resources/client-error",
        400,
        """{"type": "error", "status": 400, "code": "bad_request", "context_info": {"errors": [{"reason":
        "invalid_parameter", "name": "parent", "message": "Invalid value 'd_2'"}]}, "help_url":
        "http://developers.box.com/docs/#errors", "message": "Bad Request", "request_id": "2132632057"}""",
        "bad_request",
        "parent: Invalid value 'd_2'",
    ),
    "WordPress": Row(
        "developer.wordpress.org/rest-api/extending-the-rest-api (rest_invalid_param)",
        400,
        """{"code": "rest_invalid_param", "message": "Invalid parameter(s): per_page", "data": {"status":
        400, "params": {"per_page": "It must be between 1 and 100"}, "details": []}}""",
        "rest_invalid_param",
        "Invalid parameter(s): per_page; per_page: It must be between 1 and 100",
    ),
    "Cloudflare, a chain": Row(
        "developers.cloudflare.com/api, 'Create DNS Record'; as its API answers an address that is none",
        400,
        """{"success": false, "errors": [{"code": 1004, "message": "DNS Validation Error", "error_chain":
        [{"code": 9005, "message": "Content for A record must be a valid IPv4 address."}]}], "messages": [],
        "result": null}""",
        "1004",
        "DNS Validation Error; Content for A record must be a valid IPv4 address.",
    ),
    "PocketBase": Row(
        "pocketbase.io/docs/api-records, 'Create record'; two fields, one of them named like a key of words",
        400,
        """{"status": 400, "message": "Failed to create record.", "data": {"email": {"code":
        "validation_required", "message": "Missing required value."}, "title": {"code":
        "validation_min_text_constraint", "message": "Must be at least 3 character(s)."}}}""",
        None,
        "Failed to create record; email: Missing required value; title: Must be at least 3 character(s).",
    ),
    "PayPal": Row(
        "developer.paypal.com/api/rest/responses",
        422,
        """{"name": "UNPROCESSABLE_ENTITY", "message": "The requested action could not be performed.",
        "debug_id": "b1", "details": [{"field": "/purchase_units/0/amount", "issue": "MISSING",
        "description": "A field is missing."}], "links": [{"href": "https://developer.paypal.com",
        "rel": "information_link"}]}""",
        "UNPROCESSABLE_ENTITY",
        "The requested action could not be performed; /purchase_units/0/amount: A field is missing.",
    ),
    "Directus": Row(
        "docs.directus.io/reference/introduction.html, 'Errors'",
        403,
        """{"errors": [{"message": "You don't have permission", "extensions": {"code": "FORBIDDEN"}}]}""",
        "FORBIDDEN",
        "You don't have permission",
    ),
    "Apigee": Row(
        "docs.apigee.com/api-platform/reference/policies/verify-api-key-policy, fault codes",
        401,
        """{"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}}""",
        "oauth.v2.InvalidApiKey",
        "Invalid ApiKey",
    ),
    "Zoho": Row(
        "zoho.com/crm/developer/docs/api/v8/insert-records.html, 'MANDATORY_NOT_FOUND'",
        202,
        """{"data": [{"code": "MANDATORY_NOT_FOUND", "details": {"api_name": "Last_Name"}, "message":
        "required field not found", "status": "error"}]}""",
        None,
        "Last_Name: required field not found",
    ),
    "Notion": Row(
        "developers.notion.com/reference/status-codes",
        400,
        """{"object": "error", "status": 400, "code": "validation_error", "message":
        "body.x should be defined"}""",
        "validation_error",
        "body.x should be defined",
    ),
    "Intercom": Row(
        "developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/errors",
        404,
        """{"type": "error.list", "request_id": "r1", "errors": [{"code": "not_found", "message":
        "User Not Found"}]}""",
        "not_found",
        "User Not Found",
    ),
    "Xero": Row(
        "developer.xero.com/documentation/api/accounting/responsecodes, 400",
        400,
        """{"ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred",
        "Elements": [{"ContactID": "c1", "ValidationErrors": [{"Message": "Email address must be valid."
        }]}]}""",
        "ValidationException",
        "A validation exception occurred; Email address must be valid.",
    ),
    "NetSuite": Row(
        "docs.oracle.com/en/cloud/saas/netsuite, REST web services, 'Error Handling'",
        400,
        """{"type": "https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.1", "title": "Bad Request",
        "status": 400, "o:errorDetails": [{"detail": "Please enter a value.", "o:errorPath": "entity",
        "o:errorCode": "USER_ERROR"}]}""",
        "USER_ERROR",
        "entity: Please enter a value.",
    ),
    "QuickBooks": Row(
        "developer.intuit.com/app/developer/qbo/docs/develop/troubleshooting/error-codes",
        400,
        """{"Fault": {"Error": [{"Message": "Duplicate Name Exists Error", "Detail":
        "Another customer is using it.", "code": "6240", "element": "DisplayName"}], "type":
        "ValidationFault"}, "time": "2026-01-01T10:00:00.000-08:00"}""",
        "ValidationFault",
        "DisplayName: Duplicate Name Exists Error: Another customer is using it.",
    ),
    "SendGrid": Row(
        "docs.sendgrid.com/api-reference/how-to-use-the-sendgrid-v3-api/errors",
        400,
        """{"errors": [{"message": "It is no mail address.", "field": "from.email", "help":
        "http://sendgrid.com/docs"}]}""",
        None,
        "from.email: It is no mail address.",
    ),
    "Twilio": Row(
        "twilio.com/docs/usage/twilios-response, 'Exceptions'",
        400,
        """{"code": 21211, "message": "The number is not valid.", "more_info":
        "https://www.twilio.com/docs/errors/21211", "status": 400}""",
        "21211",
        "The number is not valid.",
    ),
    "Contentful": Row(
        "contentful.com/developers/docs/references/errors",
        422,
        """{"sys": {"type": "Error", "id": "ValidationFailed"}, "message": "Validation error", "details": {
        "errors": [{"name": "required", "details": "It is required here", "path": ["fields", "title"]}]
        }, "requestId": "r1"}""",
        None,
        "Validation error; fields.title: It is required here",
    ),
    "Dropbox": Row(
        "dropbox.com/developers/documentation/http/documentation, 'Errors by status code'",
        409,
        """{"error_summary": "path/not_found/...", "error": {".tag": "path", "path": {".tag": "not_found"}}
        }""",
        None,
        "path/not_found/...",
    ),
    "PagerDuty": Row(
        "developer.pagerduty.com/docs/errors",
        400,
        """{"error": {"code": 2001, "message": "Invalid Input Provided", "errors": ["Title can't be blank."
        ]}}""",
        "2001",
        "Invalid Input Provided; Title can't be blank.",
    ),
    "Mailchimp": Row(
        "mailchimp.com/developer/marketing/docs/errors",
        400,
        """{"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": "Invalid Resource",
        "status": 400, "detail": "It could not be validated.", "instance": "i1", "errors": [{"field":
        "email_address", "message": "must be a mail address"}]}""",
        "https://mailchimp.com/developer/marketing/docs/errors/",
        "Invalid Resource: It could not be validated; email_address: must be a mail address",
    ),
    "HubSpot, scopes": Row(
        "developers.hubspot.com/docs/guides/api/error-handling (requiredScopes)",
        403,
        """{"status": "error", "message": "This app has not all required scopes", "errors": [{"message":
        "One of these is required.", "context": {"requiredScopes": ["crm.objects.contacts.read"]}}]}""",
        None,
        "This app has not all required scopes; One of these is required;"
        " requiredScopes: crm.objects.contacts.read",
    ),
}
