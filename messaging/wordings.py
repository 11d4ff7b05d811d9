"""The kinds of automatic texts and notices, and of what people agree to outside a text; the wording each has until an
officer edits it.

What each must contain: PRODUCT "What each automatic text must say" (CTIA Principles 5.1; 47 CFR 64.1200(a)(12)).
"""

from django.db.models import TextChoices


class Kind(TextChoices):
    REQUEST_OURS = "request_ours", "Opt-in request, we texted first"
    REQUEST_THEIRS = "request_theirs", "Opt-in request, the contact texted first"
    CONFIRM_SIGN_UP = "confirm_sign_up", "Confirm sign-up"
    OPT_IN_CONFIRMATION = "opt_in_confirmation", "Opt-in confirmation"
    OPT_OUT_CONFIRMATION = "opt_out_confirmation", "Opt-out confirmation, with consent"
    OPT_OUT_CONFIRMATION_DISCLAIMER = "opt_out_confirmation_disclaimer", "Opt-out confirmation, disclaimer only"
    DISCLAIMER_OURS = "disclaimer_ours", "Disclaimer, we texted first"
    DISCLAIMER_THEIRS = "disclaimer_theirs", "Disclaimer, the contact texted first"
    HELP_REPLY = "help_reply", "Help reply"
    WAY_BACK = "way_back", "Way back"
    FOOTER = "footer", "Footer"
    WEB_FORM = "web_form", "Web form: what they agree to"
    PHONE_MENU = "phone_menu", "Phone menu: what they agree to"
    NOTICE_ASKED = "notice_asked", "Notice: asked"
    NOTICE_WROTE_AND_ASKED = "notice_wrote_and_asked", "Notice: contact wrote, was asked"
    NOTICE_OPTED_IN = "notice_opted_in", "Notice: opted in"
    NOTICE_OPTED_OUT = "notice_opted_out", "Notice: opted out"
    NOTICE_EXPIRED = "notice_expired", "Notice: request expired"
    NOTICE_CONSENT_ENDED = "notice_consent_ended", "Notice: consent ended"
    NOTICE_NUMBER_SUSPENDED = "notice_number_suspended", "Notice: the number may be somebody else's"
    NOTICE_REQUEST_FAILED = "notice_request_failed", "Notice: request failed"
    NOTICE_UNDER_REVIEW = "notice_under_review", "Notice: under review"
    NOTICE_REVIEW_CLOSED = "notice_review_closed", "Notice: review closed"
    NOTICE_NETWORK_ANSWERED = "notice_network_answered", "Notice: the network answered"


NOTICES = frozenset(kind for kind in Kind if kind.value.startswith("notice_"))
# The kinds that ask: a YES answers them.
REQUESTS = frozenset({Kind.REQUEST_OURS, Kind.REQUEST_THEIRS, Kind.CONFIRM_SIGN_UP})
# What people see or hear where they sign up. It is never texted.
SIGN_UPS = frozenset({Kind.WEB_FORM, Kind.PHONE_MENU})
# The wordings to which people agree: an officer declares for each version which consent that gives.
AGREED_TO = REQUESTS | SIGN_UPS
# The one confirmation of an opt-out, in either mode.
OPT_OUT_CONFIRMATIONS = frozenset({Kind.OPT_OUT_CONFIRMATION, Kind.OPT_OUT_CONFIRMATION_DISCLAIMER})

DEFAULTS: dict[Kind, str] = {
    Kind.REQUEST_OURS: (
        "Automatic message: {agent_name} at {company_name} would like to text you about your requests ({frequency}). "
        "We need your OK first: reply {accept_word} to agree, STOP to refuse. HELP for help. "
        "Msg & data rates may apply."
    ),
    Kind.REQUEST_THEIRS: (
        "Automatic message: you wrote to {line_name} at {company_name}. Your text is delivered once you agree to get "
        "texts from us ({frequency}). Reply {accept_word} to agree, STOP to refuse. HELP for help. "
        "Msg & data rates may apply."
    ),
    Kind.CONFIRM_SIGN_UP: (
        "Automatic message from {company_name}: you signed up for our texts through {sign_up_source}. "
        "Reply {accept_word} to finish, STOP to refuse ({frequency}). HELP for help. Msg & data rates may apply."
    ),
    Kind.OPT_IN_CONFIRMATION: (
        "{company_name}: you're in and get texts about your requests ({frequency}). "
        "Reply STOP to end, HELP for help. Msg & data rates may apply."
    ),
    Kind.OPT_OUT_CONFIRMATION: (
        "{company_name}: you're out and get no more texts from us here. Changed your mind? Text START to {line_number}."
    ),
    Kind.OPT_OUT_CONFIRMATION_DISCLAIMER: (
        "{company_name}: you're out and get no more texts from us here. "
        "To be able to hear from us again, text START to {line_number}."
    ),
    Kind.DISCLAIMER_OURS: (
        "Automatic message: {agent_name} at {company_name} is texting you about your requests ({frequency}). "
        "Reply STOP at any time to end this."
    ),
    Kind.DISCLAIMER_THEIRS: (
        "Automatic message: you have reached {line_name} at {company_name}. A person reads your text. "
        "Reply STOP at any time and we won't text you."
    ),
    Kind.HELP_REPLY: (
        "{company_name}, {line_name}. A person helps you at {support_contact}. "
        "Msg & data rates may apply. Reply STOP to end texts."
    ),
    Kind.WAY_BACK: (
        "Automatic message from {company_name}: you opted out, so we can't answer you here. "
        "Text START to {line_number} to get our texts again."
    ),
    Kind.FOOTER: "Reply STOP to opt out.",
    Kind.WEB_FORM: (
        "If you tick the box and sign up, you agree to get texts about your requests from {company_name}, some of them "
        "automatic, at the number you give here ({frequency}). Agreeing is not a condition of buying anything.\n\n"
        "Msg & data rates may apply. Reply STOP to end the texts at any time, HELP for help.\n\n"
        "Terms: {terms_address}\nPrivacy: {privacy_address}"
    ),
    Kind.PHONE_MENU: (
        "This is {company_name}. May we text you about your requests at the number you are calling from: "
        "{frequency}? Message and data rates may apply. Once you agree, you can reply STOP at any time to end our "
        "texts, or HELP for help. To agree, press 1. To refuse, press 2. To stop all texts from us, press 9."
    ),
    Kind.NOTICE_ASKED: (
        "Automatic notice: {contact_name} was asked for consent. Your text is held and leaves when they say yes. "
        "You can withdraw it until then."
    ),
    Kind.NOTICE_WROTE_AND_ASKED: (
        "Automatic notice: {contact_name} wrote to this line and was asked for consent. "
        "You'll see their words here when they say yes."
    ),
    Kind.NOTICE_OPTED_IN: "Automatic notice: {contact_name} opted in. You can text them now. {detail}",
    Kind.NOTICE_OPTED_OUT: (
        "Automatic notice: {contact_name} opted out. {detail} Nothing more can be sent here; "
        "only they can undo it, by texting START to {line_number}."
    ),
    Kind.NOTICE_EXPIRED: (
        "Automatic notice: {contact_name} did not answer the opt-in request and it expired. "
        "What waited for an answer was cancelled. You can write again to ask once more, within the limits."
    ),
    Kind.NOTICE_CONSENT_ENDED: (
        "Automatic notice: the consent of {contact_name} has ended. {detail} The next text you write is held, and they "
        "are asked again first."
    ),
    Kind.NOTICE_NUMBER_SUSPENDED: (
        "Automatic notice: nothing is sent to {contact_name} any more. {detail} Find out which number they have now; "
        "an officer can say that this one is still theirs."
    ),
    Kind.NOTICE_REQUEST_FAILED: (
        "Automatic notice: the text that had to go first could not be delivered to {contact_name}. {detail} "
        "What waited for it was refused. Check the number before you write again."
    ),
    Kind.NOTICE_UNDER_REVIEW: (
        "Automatic notice: {contact_name} may have asked us to stop. Sending is suspended until an officer decides."
    ),
    Kind.NOTICE_REVIEW_CLOSED: (
        "Automatic notice: an officer read what {contact_name} wrote. It was no opt-out, and texts may go on. {detail}"
    ),
    Kind.NOTICE_NETWORK_ANSWERED: (
        "Automatic notice: the network answered {contact_name} about their opt-out; Optline sends nothing of its own."
    ),
}
