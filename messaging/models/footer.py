import phonenumbers
from django.core.exceptions import ValidationError
from django.db import models

from consent import phones


class FooterCountryQuerySet(models.QuerySet["FooterCountry"]):
    def demands(self, number: str) -> bool:
        """True where the country of ``number`` (E.164) is one of these."""
        return self.filter(country=phones.country(number)).exists()


class FooterCountry(models.Model):
    """A country in which every ordinary text must tell how to stop, whatever the line's own frequency is.

    Editable data with its source and date, since it is not the law's own text that tells us.
    """

    country = models.CharField(max_length=2, unique=True, help_text="Two letters, like FR.")
    reason = models.CharField(max_length=200, help_text="What is demanded there.")
    source = models.CharField(max_length=200, help_text="Who says so.")
    as_of = models.DateField("as of")

    objects = FooterCountryQuerySet.as_manager()

    class Meta:
        ordering = ["country"]
        verbose_name = "country that demands the footer"
        verbose_name_plural = "countries that demand the footer"

    def __str__(self) -> str:
        return self.country

    def clean(self) -> None:
        self.country = self.country.upper()
        if self.country not in phonenumbers.SUPPORTED_REGIONS:
            raise ValidationError({"country": "This is no country's two letters. France is FR, Australia AU."})
