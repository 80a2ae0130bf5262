"""The accounts of the table of Django REST framework, on the real one: ``python django_app.py PORT``."""

# ruff: noqa: DJ008, E402, RUF012  # Django wants its settings before it is imported, and lists in classes
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
from rest_framework.permissions import IsAuthenticated
from rest_framework.routers import DefaultRouter


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
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class Payments(Accounts):
    pagination_class = pagination.LimitOffsetPagination


router = DefaultRouter()
router.register("accounts", Accounts, basename="account")
router.register("payments", Payments, basename="payment")
urlpatterns = [path("", include(router.urls))]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Account)
    Token.objects.create(user=User.objects.create_user("zoo"), key=sys.argv[2])
    Account.objects.bulk_create(Account(amount=number * 10) for number in range(1, 8))
    call_command("runserver", f"127.0.0.1:{sys.argv[1]}", "--noreload", "--skip-checks")
