"""The server that takes the farm's mail, over SMTP with TLS that is verified. It keeps no connection."""

import smtplib
import ssl
from email.message import EmailMessage

from farm.errors import Refused, why
from farm.reporters import Later, Useless
from farm.settings import EmailSettings

TIMEOUT = 10.0  # seconds for each answer
_TAKEN, _TAKEN_TOO = 250, 251  # RFC 5321, 4.2.2
_FOR_GOOD = 500  # from here on a no is for good


class Mailer:
    """Sends one mail at a time."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._name = f"{settings.host}:{settings.port}"

    def send(self, to: str, mail: EmailMessage) -> str:
        """Hand the mail over and return what the server answered; raises Later or Useless."""
        try:
            with self._connected() as server:
                return self._transact(server, to, mail)
        except Refused as refusal:
            raise Later(str(refusal)) from refusal
        except smtplib.SMTPAuthenticationError as error:
            raise Later(f"{self._name} refuses the login; mend `user` and `password`: {_said(*error.args)}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Later(
                f"{self._name} does not offer what is asked of it; mend `security` or `user`: {error}"
            ) from error
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or error
            raise Later(f"{self._name} is not who it should be; mend `host`, `port` or `ca`: {why}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Later(f"{self._name} does not take mail: {error or type(error).__name__}") from error

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security == "none":
            return smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT)
        context = self._trusting()
        if settings.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT)
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, settings.password.reveal() if settings.password else "")
        except BaseException:
            server.close()
            raise
        return server

    def _trusting(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._settings.ca)
        except ssl.SSLError as error:
            raise Refused(f"{self._settings.ca} holds no certificates; mend `ca`: {error.reason or error}") from error
        except OSError as error:
            words = why(error)
            raise Refused(f"{self._settings.ca} cannot be read: {words}; mend `ca` or its rights") from error

    def _transact(self, server: smtplib.SMTP, to: str, mail: EmailMessage) -> str:
        server.ehlo_or_helo_if_needed()
        code, words = server.mail(self._settings.sender)
        if code != _TAKEN:
            raise Later(f"{self._name} does not take mail from {self._settings.sender}: {_said(code, words)}")
        code, words = server.rcpt(to)
        if code not in (_TAKEN, _TAKEN_TOO):
            self._give_up(f"{self._name} takes no mail for {to}", code, words)
        code, words = server.data(mail.as_bytes())
        if code != _TAKEN:
            self._give_up(f"{self._name} does not take the mail for {to}", code, words)
        return _said(code, words)

    def _give_up(self, sentence: str, code: int, words: bytes) -> None:
        sentence = f"{sentence}: {_said(code, words)}"
        raise Useless(sentence) if code >= _FOR_GOOD else Later(sentence, alone=True)


def _said(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())[:200]}"
