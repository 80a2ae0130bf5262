"""The records of two tables on the real Django REST framework: ``python django_app.py PORT KEY``.

Beside its accounts it has the articles and photos of JSON:API, by djangorestframework-jsonapi. Its user,
whose password is the key as well, gets tokens by djangorestframework-simplejwt; another password ends them.
"""

# ruff: noqa: ANN001, ANN201, DJ008, E402, RUF012  # no type checker sees Django here, which wants its settings first
# mypy: ignore-errors
from __future__ import annotations

import sys

from django.conf import settings

settings.configure(
    DEBUG=True,
    ROOT_URLCONF="__main__",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "rest_framework",
        "rest_framework.authtoken",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    SECRET_KEY="of a server that nobody else reaches, and of one test",
    SIMPLE_JWT={"CHECK_REVOKE_TOKEN": True},
)
import django

django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models
from django.urls import include, path
from rest_framework import pagination, serializers, viewsets
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter, SimpleRouter
from rest_framework.views import APIView
from rest_framework_json_api import pagination as pages_of_json_api
from rest_framework_json_api.parsers import JSONParser
from rest_framework_json_api.renderers import JSONRenderer
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenObtainPairView


class Account(models.Model):
    amount = models.IntegerField()
    description = models.CharField(max_length=10, default="-")

    class Meta:
        app_label = "accounts"


class AccountSerializer(serializers.ModelSerializer):
    class Meta:
        model = Account
        fields = ["id", "amount", "description"]


class Pages(pagination.PageNumberPagination):
    page_size = 3


class Accounts(viewsets.ModelViewSet):
    queryset = Account.objects.order_by("id")
    serializer_class = AccountSerializer
    pagination_class = Pages
    authentication_classes = [TokenAuthentication, JWTAuthentication]
    permission_classes = [IsAuthenticated]


class Payments(Accounts):
    pagination_class = pagination.LimitOffsetPagination


class Password(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]

    def put(self, request):
        request.user.set_password(request.data["password"])
        request.user.save()
        return Response()


class Article(models.Model):
    title = models.CharField(max_length=100)

    class Meta:
        app_label = "accounts"


class Photo(models.Model):
    id = models.CharField(primary_key=True, max_length=20, default="new")
    title = models.CharField(max_length=100)

    class Meta:
        app_label = "accounts"


def json_api(model, name):
    """Return a view of JSON:API of a model with a title."""
    meta = type("Meta", (), {"model": model, "fields": ["title"]})
    attributes = {
        "queryset": model.objects.order_by("pk"),
        "serializer_class": type(
            f"{model.__name__}Serializer", (serializers.ModelSerializer,), {"Meta": meta}
        ),
        "pagination_class": pages_of_json_api.JsonApiPageNumberPagination,
        "parser_classes": [JSONParser],
        "renderer_classes": [JSONRenderer],
        "resource_name": name,
        "http_method_names": ["get", "post", "patch", "delete"],
    }
    return type(f"{model.__name__}View", (viewsets.ModelViewSet,), attributes)


router = DefaultRouter()
router.register("accounts", Accounts, basename="account")
router.register("payments", Payments, basename="payment")
without_slash = SimpleRouter(trailing_slash=False)
without_slash.register("articles", json_api(Article, "articles"), basename="article")
without_slash.register("photos", json_api(Photo, "photos"), basename="photo")
urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api-token-auth/", obtain_auth_token),
    path("password/", Password.as_view()),
    path("", include(router.urls)),
    path("", include(without_slash.urls)),
]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for model in (Account, Article, Photo):
            editor.create_model(model)
    Token.objects.create(user=User.objects.create_user("zoo", password=sys.argv[2]), key=sys.argv[2])
    Account.objects.bulk_create(Account(amount=number * 10) for number in range(1, 8))
    Article.objects.bulk_create(Article(title=f"Article {number}") for number in range(1, 6))
    Photo.objects.create(id="550e8400", title="Ember Hamster")
    call_command("runserver", f"127.0.0.1:{sys.argv[1]}", "--noreload", "--skip-checks")
