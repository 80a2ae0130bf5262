"""Errors told by pages, XML and stack traces."""

from __future__ import annotations

from tests.unit.error_bodies import Row

ROWS = {
    "Express": Row(
        "expressjs.com/en/guide/error-handling.html (finalhandler's page)",
        404,
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n'
        "</head>\n<body>\n<pre>Cannot GET /users/7</pre>\n</body>\n</html>\n",
        None,
        "Cannot GET /users/7",
    ),
    "Express, in development": Row(
        "expressjs.com/en/guide/error-handling.html, 'The default error handler'",
        500,
        "<!DOCTYPE html>\n<html><head><title>Error</title></head>\n<body>\n<pre>TypeError: x is "
        "undefined<br> &nbsp; &nbsp;at Layer.handle "
        "(/app/node_modules/express/lib/router/layer.js:95:5)<br> &nbsp; &nbsp;at "
        "/app/index.js:7:9</pre>\n</body></html>",
        None,
        "TypeError: x is undefined",
    ),
    "nginx": Row(
        "nginx.org/en/docs/http/ngx_http_core_module.html, msie_padding and server_tokens",
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
        "Gateway</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n<!-- a "
        "padding to disable MSIE and Chrome friendly error page -->\r\n",
        None,
        "502 Bad Gateway nginx/1.24.0",
    ),
    "Tomcat": Row(
        "tomcat.apache.org/tomcat-10.1-doc/config/valve.html, Error Report Valve",
        404,
        '<!doctype html><html lang="en"><head><title>HTTP Status 404 \u2013 Not '
        "Found</title><style>h1 {color:white}</style></head><body><h1>HTTP Status 404 \u2013 Not "
        "Found</h1><hr/><p><b>Message</b> The resource [&#47;x] is not available</p></body></html>",
        None,
        "HTTP Status 404 \u2013 Not Found Message The resource [/x] is not available",
    ),
    "Cloudflare": Row(
        "developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors",
        522,
        "<!DOCTYPE html><html><head><title>example.com | 522: Connection timed "
        "out</title></head><body><p>Connection timed out</p></body></html>",
        None,
        "example.com | 522: Connection timed out: Connection timed out",
    ),
    "S3": Row(
        "docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, 'REST error responses'",
        404,
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The resource '
        "you requested does not exist</Message><Resource>/b/k</Resource></Error>",
        "NoSuchKey",
        "The resource you requested does not exist",
    ),
    "SOAP": Row(
        "w3.org/TR/2000/NOTE-SOAP-20000508, section 4.4",
        500,
        '<?xml version="1.0"?><SOAP-ENV:Envelope '
        'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>'
        "<faultcode>SOAP-ENV:Server</faultcode><faultstring>Server Error</faultstring>"
        "</SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>",
        "SOAP-ENV:Server",
        "Server Error",
    ),
    "Python, a stack trace": Row(
        "docs.python.org/3/library/traceback.html, examples",
        500,
        'Traceback (most recent call last):\n  File "/app/x.py", line 3, in f\n    g()\n    ~^^\n  '
        'File "/app/y.py", line 4, in g\nValueError: no such table\n',
        None,
        "ValueError: no such table",
    ),
    "Java, a stack trace": Row(
        "docs.oracle.com/javase/8/docs/api/java/lang/Throwable.html, printStackTrace",
        500,
        "HighLevelException: MidLevelException: no database\n\tat Junk.a(Junk.java:13)\n\tat "
        "Junk.main(Junk.java:4)\nCaused by: LowLevelException: refused\n\tat Junk.e(Junk.java:30)\n\t"
        "... 3 more\n",
        None,
        "HighLevelException: MidLevelException: no database Caused by: LowLevelException: refused",
    ),
    ".NET, a stack trace": Row(
        "learn.microsoft.com/dotnet/api/system.exception.stacktrace",
        500,
        "System.InvalidOperationException: no rows\r\n   at App.Users.Find(Int32 id) in "
        "/src/Users.cs:line 7\r\n   at App.Program.Main()\r\n",
        None,
        "System.InvalidOperationException: no rows",
    ),
    "PHP, a stack trace": Row(
        "php.net/manual/en/exception.gettraceasstring.php",
        500,
        "PHP Fatal error: Uncaught Exception: no rows in /var/www/a.php:3\nStack trace:\n#0 "
        "/var/www/b.php(9): f()\n#1 {main}\n  thrown in /var/www/a.php on line 3\n",
        None,
        "PHP Fatal error: Uncaught Exception: no rows in /var/www/a.php:3",
    ),
    "Ruby, a stack trace": Row(
        "docs.ruby-lang.org/en/master/Exception.html, full_message",
        500,
        "undefined method 'x' for nil (NoMethodError)\n/app/a.rb:2:in 'baz'\n\tfrom /app/b.rb:3:in 'main'\n",
        None,
        "undefined method 'x' for nil (NoMethodError)",
    ),
    "Go, a stack trace": Row(
        "pkg.go.dev/runtime/debug#Stack",
        500,
        "panic: no rows\n\ngoroutine 1 [running]:\n\t/app/main.go:7 +0x39\n",
        None,
        "panic: no rows",
    ),
    "in JSON, a stack trace": Row(
        "docs.spring.io/spring-boot, server.error.include-stacktrace, where message holds the trace",
        500,
        r"""{"message": "no database\n\tat a.b.C.d(C.java:7)\n\tat a.b.E.f(E.java:8)"}""",
        None,
        "no database",
    ),
}
