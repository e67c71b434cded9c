"""Why a message cannot be applied."""


class MessageRejected(Exception):  # noqa: N818  named for what became of the message
    """Nothing of this message can be used as it is; it becomes a dead letter and its batch goes on.

    `error_class` is a slug to group by, `text` a sentence for people without patient data, `path` where in the
    message ("PID-3.1", or empty), `code` an error condition of HL7 table 0357 for the acknowledgement.
    """

    def __init__(self, error_class: str, text: str, *, path: str = "", code: str = "207") -> None:
        super().__init__(error_class, path)
        self.error_class = error_class
        self.text = text
        self.path = path
        self.code = code

    def __str__(self) -> str:
        return f"{self.text} ({self.path})" if self.path else self.text
