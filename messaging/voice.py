"""What callers hear, as TwiML. Pure: words in, XML out, through the official library, which escapes them."""

from dataclasses import dataclass

from twilio.twiml.voice_response import Gather, VoiceResponse

from messaging.keypad import Key

# How long a caller may think after the last word, in seconds.
THINKING_SECONDS = 8

_VOICES = {"en": "en-US", "es": "es-MX", "fr": "fr-CA", "pt": "pt-BR"}


@dataclass(frozen=True)
class Closing:
    """What the menu says by itself in one language, after the officer's words or in their place."""

    agreed: str
    refused: str
    stopped: str
    wrong_key: str
    silent: str
    hidden: str
    closed: str

    def after(self, key: Key | None) -> str:
        match key:
            case Key.AGREE:
                return self.agreed
            case Key.REFUSE:
                return self.refused
            case Key.STOP:
                return self.stopped
        return self.silent


# "Agreed" is the same whatever is known of the number: who calls with somebody else's learns nothing.
CLOSINGS = {
    "en": Closing(
        agreed="Thank you. If a text asks you to confirm, please reply to it. If you once asked us to stop, we won't "
        "text you: text START to {line} to get our texts again. Goodbye.",
        refused="All right, nothing was changed. Goodbye.",
        stopped="You will get no more texts from us. Goodbye.",
        wrong_key="Sorry, we did not understand your choice.",
        silent="We did not understand your choice, so nothing was changed. Goodbye.",
        hidden="We can't see the number you are calling from. To get our texts, text START from your phone to {line}. "
        "Goodbye.",
        closed="This number takes no sign-ups at the moment. Goodbye.",
    ),
    "es": Closing(
        agreed="Gracias. Si un mensaje le pide que confirme, por favor respóndalo. Si alguna vez nos pidió que "
        "paráramos, no le escribiremos: envíe START al {line} para recibir de nuevo nuestros mensajes. Adiós.",
        refused="De acuerdo, no se ha cambiado nada. Adiós.",
        stopped="No recibirá más mensajes nuestros. Adiós.",
        wrong_key="Perdone, no entendimos su elección.",
        silent="No entendimos su elección, así que no se ha cambiado nada. Adiós.",
        hidden="No podemos ver el número desde el que llama. Para recibir nuestros mensajes envíe START desde su "
        "teléfono al {line}. Adiós.",
        closed="Este número no acepta inscripciones en este momento. Adiós.",
    ),
    "fr": Closing(
        agreed="Merci. Si un SMS vous demande de confirmer, répondez-y. Si vous nous avez demandé un jour d'arrêter, "
        "nous ne vous écrirons pas : envoyez START au {line} pour recevoir de nouveau nos SMS. Au revoir.",
        refused="D'accord, rien n'a été changé. Au revoir.",
        stopped="Vous ne recevrez plus de SMS de notre part. Au revoir.",
        wrong_key="Désolé, nous n'avons pas compris votre choix.",
        silent="Nous n'avons pas compris votre choix, rien n'a donc été changé. Au revoir.",
        hidden="Nous ne voyons pas le numéro depuis lequel vous appelez. Pour recevoir nos SMS, envoyez START depuis "
        "votre téléphone au {line}. Au revoir.",
        closed="Ce numéro ne prend pas d'inscriptions pour le moment. Au revoir.",
    ),
    "pt": Closing(
        agreed="Obrigado. Se uma mensagem pedir que confirme, responda a ela, por favor. Se um dia você pediu que "
        "parássemos, não escreveremos: envie START para {line} para receber de novo nossas mensagens. Até logo.",
        refused="Tudo bem, nada foi alterado. Até logo.",
        stopped="Você não receberá mais mensagens nossas. Até logo.",
        wrong_key="Desculpe, não entendemos a sua escolha.",
        silent="Não entendemos a sua escolha, por isso nada foi alterado. Até logo.",
        hidden="Não conseguimos ver o número do qual você liga. Para receber nossas mensagens, envie START do seu "
        "telefone para {line}. Até logo.",
        closed="Este número não aceita inscrições no momento. Até logo.",
    ),
}


def menu(words: str, *, language: str, then: str, again: bool = False) -> str:
    """Say ``words`` and take one key, even before the last word; the key, or that none came, goes to ``then``."""
    response = VoiceResponse()
    if again:
        response.say(CLOSINGS[language].wrong_key, language=_VOICES[language])
    gather = Gather(
        input="dtmf",
        num_digits=1,
        timeout=THINKING_SECONDS,
        finish_on_key="",
        action=then,
        method="POST",
        action_on_empty_result=True,
    )
    gather.say(words, language=_VOICES[language])
    response.append(gather)
    return str(response)


def goodbye(words: str, *, language: str) -> str:
    """Say ``words`` and hang up."""
    response = VoiceResponse()
    response.say(words, language=_VOICES[language])
    response.hangup()
    return str(response)


def spelled(number: str) -> str:
    """A number as it is read out: digit by digit."""
    return " ".join(character for character in number if character.isdigit())
