"""What a visitor enters: a number, its country, and the tick that agrees."""

import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from consent import phones
from consent.models import Line
from messaging.models import WebForm
from messaging.web_form.words import Words, options


class EntryForm(forms.Form):
    """Gives ``number`` in E.164. Nothing in it depends on what is known of the number."""

    number = forms.CharField(max_length=40)
    country = forms.ChoiceField()
    agree = forms.BooleanField()

    def __init__(self, *args: Any, form: WebForm, words: Words, language: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.form = form
        self.words = words
        self.options = options(language, form.countries)
        texts = {
            "number": {"required": words.number_missing, "max_length": words.number_wrong},
            "country": {"required": words.country_missing, "invalid_choice": words.country_missing},
            "agree": {"required": words.agree_missing},
        }
        for name, messages in texts.items():
            self.fields[name].error_messages |= messages
        self.fields["country"].choices = self.options  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "number" in cleaned and "country" in cleaned:
            try:
                cleaned["e164"] = self._number(cleaned["number"], cleaned["country"])
            except ValidationError as error:
                self.add_error("number", error)
        return cleaned

    def _number(self, typed: str, country: str) -> str:
        try:
            number = phones.normalise_in(unicodedata.normalize("NFKC", typed), country)
        except phones.PhoneError:
            raise ValidationError(self.words.number_wrong) from None
        if not phones.may_be_mobile(number) or Line.objects.filter(number=number).exists():
            raise ValidationError(self.words.number_never_texted)
        offered = self.form.countries.split()
        if offered and phones.country(number) not in offered:
            raise ValidationError(self.words.country_not_offered)
        return number
