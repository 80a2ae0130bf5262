"""Errors that standards define."""

from __future__ import annotations

from tests.unit.error_bodies import Row

ROWS = {
    "JSON:API": Row(
        "jsonapi.org/examples, 'Error Objects'",
        422,
        """{"errors": [{"status": "422", "source": {"pointer": "/data/attributes/volume"}, "title":
        "Invalid Attribute", "detail": "Volume does not, in fact, go to 11."}, {"status": "422",
        "source": {"parameter": "include"}, "detail": "The resource has no author."}]}""",
        None,
        "/data/attributes/volume: Invalid Attribute: Volume does not, in fact, go to 11; include: The "
        "resource has no author.",
    ),
    "RFC 9457 with invalid-params": Row(
        "RFC 7807, section 3 (RFC 9457 writes it invalid_params)",
        400,
        """{"type": "https://example.net/validation-error", "title":
        "Your request parameters didn't validate.", "invalid-params": [{"name": "age", "reason":
        "must be a positive integer"}, {"name": "color", "reason": "must be 'green', 'red' or 'blue'"}]}""",
        "https://example.net/validation-error",
        "Your request parameters didn't validate; age: must be a positive integer; color: must be "
        "'green', 'red' or 'blue'",
    ),
    "RFC 9457 with errors": Row(
        "RFC 9457, section 3",
        422,
        """{"type": "https://example.net/validation-error", "title": "Your request is not valid.",
        "errors": [{"detail": "must be a positive integer", "pointer": "#/age"}]}""",
        "https://example.net/validation-error",
        "Your request is not valid; #/age: must be a positive integer",
    ),
    "Google RPC": Row(
        "developers.google.com/data-manager/api/reference/rest/v1/BadRequest; AIP-193",
        400,
        """{"error": {"code": 400, "message": "Request contains an invalid argument.", "status":
        "INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "parent", "description": "must not be empty"}]}, {"@type":
        "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}, {"@type":
        "type.googleapis.com/google.rpc.Help", "links": [{"description": "Read more here", "url":
        "https://example.com"}]}]}}""",
        "INVALID_ARGUMENT",
        "Request contains an invalid argument; parent: must not be empty",
    ),
    "GraphQL": Row(
        "spec.graphql.org, section 7.1 (Errors); apollographql.com/docs/apollo-server/data/errors",
        200,
        """{"errors": [{"message": "Name for character with ID 7 could not be fetched.", "locations": [{
        "line": 6, "column": 7}], "path": ["hero", "heroFriends", 1, "name"], "extensions": {"code":
        "CAN_NOT_FETCH_BY_ID", "exception": {"stacktrace": ["Error: x", "    at a (b.js:1:2)"]}}}],
        "data": {"hero": {"name": "what was found"}}}""",
        "CAN_NOT_FETCH_BY_ID",
        "hero.heroFriends.1.name: Name for character with ID 7 could not be fetched.",
    ),
    "SAP, OData 2": Row(
        "help.sap.com, SAP Gateway, 'Error Response Control for Backend Data Provider'",
        400,
        """{"error": {"code": "/IWBEP/CM_TEA/004", "message": {"lang": "en", "value":
        "Team ID 'T7' is not in the defined range."}, "innererror": {"transactionid": "4FDF3748",
        "timestamp": "20260101100000.0000000", "errordetails": [{"code": "/IWBEP/CM_TEA/004", "message":
        "Team ID 'T7' is not in the defined range.", "propertyref": "Team/Team_Identifier", "severity":
        "error"}]}}}""",
        "/IWBEP/CM_TEA/004",
        "Team/Team_Identifier: Team ID 'T7' is not in the defined range.",
    ),
    "OData 4": Row(
        "docs.oasis-open.org/odata/odata-json-format/v4.01, section 21.1",
        501,
        """{"error": {"code": "err123", "message": "Unsupported functionality", "target": "query",
        "details": [{"code": "forty-two", "target": "$search", "message":
        "$search is not supported here"}], "innererror": {"trace": ["a", "b"], "context": {"x":
        "what a developer needs"}}}}""",
        "err123",
        "Unsupported functionality; $search is not supported here",
    ),
    "OAuth": Row(
        "RFC 6749, section 5.2",
        400,
        """{"error": "invalid_grant", "error_description": "The refresh token has expired"}""",
        "invalid_grant",
        "The refresh token has expired",
    ),
    "FHIR": Row(
        "hl7.org/fhir/operationoutcome.html",
        422,
        """{"resourceType": "OperationOutcome", "text": {"status": "additional", "div":
        "<div>generated for people</div>"}, "issue": [{"severity": "error", "code": "structure",
        "details": {"text": "The element is unknown"}, "diagnostics": "Error parsing at line 10",
        "expression": ["Patient.nonsense"]}]}""",
        "structure",
        "Patient.nonsense: Error parsing at line 10; Patient.nonsense: The element is unknown",
    ),
    "Redfish": Row(
        "redfish.dmtf.org, DSP0266, 'Error responses'",
        400,
        """{"error": {"code": "Base.1.18.GeneralError", "message": "A general error has occurred.",
        "@Message.ExtendedInfo": [{"MessageId": "Base.1.18.PropertyValueNotInList", "Message":
        "The value Red for the property IndicatorLED is not in the list"}]}}""",
        "Base.1.18.GeneralError",
        "A general error has occurred; The value Red for the property IndicatorLED is not in the list",
    ),
}
