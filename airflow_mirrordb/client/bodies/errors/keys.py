"""The keys by which errors are told in JSON, as backends call them.

They are compared in small letters, and without what is neither letter nor digit: ``invalid-params`` is
``invalidparams`` here.
"""

from __future__ import annotations

from collections.abc import Mapping


def _keys(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


#: Keys of words, in the order in which they are told. ``title`` and ``detail`` are of RFC 9457, section 3.1.
WORDS = _keys(
    "title hydratitle error",
    "message errormessage errormsg errmsg msg errorsummary statusmessage exceptionmessage faultstring",
    "detail details errordetail description errordescription hydradescription explanation",
    "usermessage developermessage longmessage localizedmessage diagnostics defaultmessage",
    "reason issue cause problem hint exception messages errors text data",
)
#: Of these some are rather names of fields, where a mapping tells what is wrong with each.
ALSO_FIELDS = frozenset(_keys("title description reason hint"))
#: Of these a single word is rather a code than words.
RATHER_CODES = frozenset(_keys("error reason issue cause problem exception data"))
#: Where fields may be called as keys of words are, only these tell of the error itself.
SURE_WORDS = _keys("message errormessage msg detail defaultmessage")
#: So do these of one of several errors.
SURE_WORDS_OF_ITEM = (*SURE_WORDS, *_keys("text description reason issue error"))
#: Words only inside the value of such a key, as in OData's ``message.value``; elsewhere they are data.
WORDS_INSIDE: Mapping[str, tuple[str, ...]] = {
    "words": ("value", "text", "translation"),
    "details": ("text",),
}
#: What an error is about beyond its words, as the scope that Slack needs, and in which mapping it may be.
TELLING = _keys(
    "needed missing missingfields missingscopes required requiredfields requiredscopes expected allowed",
    "fields invalidfields",
)
WITH_TELLING = "context"

#: A list below one of these holds errors; below any other key it is about the field of that name.
LISTS = frozenset(
    _keys(
        "error errors err errorchain message messages errormessages msg detail details errordetails",
        "errordetail oerrordetails errorcauses causes cause rootcause failedshards issue issues violations",
        "constraintviolations fieldviolations fielderrors fielderror invalidparams invalidparameters",
        "validation validations validationerrors validationmessages problems failures faults reasons",
        "subproblems suberrors innererrors globalerrors usererrors messageextendedinfo",
        "nonfielderrors all base general",
    )
)
#: A mapping below one of these tells what is wrong with each field.
FIELDS = frozenset(
    _keys(
        "errors issues children fields fielderrors invalidfields invalidparams invalidparameters",
        "validation validations validationerrors violations modelstate messages errormessages",
    )
)
#: One below these is an error.
ERRORS = frozenset(_keys("error err odataerror fault innererror innerexception causedby cause"))
#: One below these may be what is wrong with each field, or facts: of single texts only prose counts.
DETAILS = frozenset(_keys("details detail errordetails params contextinfo errorresolution"))
#: One below these is rather data: it is looked through for the keys above.
DATA = frozenset(
    _keys("data body response result extensions responsemetadata errorinfo status payload embedded elements")
)

#: Of these a name says so wherever it is, beside words and below names that we do not know.
SURE = frozenset(
    name
    for name in LISTS | FIELDS | ERRORS
    if any(part in name for part in ("error", "violation", "cause", "problem", "issue", "fault", "failure"))
)

#: Where in the data one of several errors points, the most exact first.
PLACES = _keys(
    "pointer jsonpath propertypath instancepath datapath expression loc propertyname fieldname field",
    "parametername param parameter propertyref property attribute element apiname oerrorpath path",
    "target membernames fields name in location key header source context details",
)
#: Of these also the only error may have one.
PLACES_OF_ALL = _keys("propertypath field param parameter pointer source")
#: Of these the value may be a mapping that holds the place, as JSON:API's ``source``.
WITH_PLACE = frozenset(_keys("source context details"))
#: Of these each of several values is a place of its own, and not a step to it.
SEVERAL = frozenset(_keys("expression membernames fields location"))

#: What only who develops the backend needs, and what it was sent: never words.
NEVER = frozenset(
    _keys(
        "trace traces tracestring stack stacktrace stacktraces stackentries backtrace traceback frames",
        "debug debuginfo request headers links locations input ctx context suppressed file line div",
        "rejectedvalue invalidvalue attemptedvalue",
    )
)
#: Facts about an answer, which are no words.
FACTS = frozenset(
    _keys(
        "status statuscode httpstatus httpstatuscode httpcode code timestamp time date requestid traceid",
        "correlationid errorid instance type kind apiversion path method helpurl help docurl",
        "documentationurl moreinfo success ok lang object",
    )
)

#: Keys of codes, the surest first.
CODES = _keys(
    "errorcode oerrorcode code errcode errno faultcode errortype type error category reason name status"
)
#: Where further codes may be.
WITH_CODE = _keys(
    "error err odataerror fault errors oerrordetails reasons issue extensions detail cause response"
)
#: What may be there and is none.
NO_CODES = frozenset(_keys("about:blank error errors fail failed failure exception true false"))
