"""What the pages say, in English and Russian. Names of devices, parameters and units come from the packages."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "ru")

_WORDS: Mapping[str, tuple[str, str]] = {
    "acknowledge": ("Acknowledge", "Квитировать"),
    "acknowledged": ("Acknowledged", "Квитировано"),
    "active": ("active", "активна"),
    "returned": ("returned to normal", "вернулась в норму"),
    "age": ("Age", "Возраст"),
    "alarms": ("Alarms", "Тревоги"),
    "alarms_active": ("Active alarms", "Активные тревоги"),
    "alarms_unacked": ("To acknowledge", "Не квитировано"),
    "all": ("All", "Все"),
    "api": ("API", "API"),
    "busy": (
        "Too many pages are open; close some and try again.",
        "Открыто слишком много страниц консоли.",
    ),
    "cancel": ("Cancel", "Отмена"),
    "choose_device": ("Choose a device in the table.", "Выберите устройство в таблице."),
    "choose_file": ("Package file (.fdix)", "Файл пакета (.fdix)"),
    "comment": ("Comment (optional)", "Комментарий (необязательно)"),
    "confirm": ("Send {command} to {device}?", "Отправить {command} на {device}?"),
    "confirmed": ("{device} confirmed {command}", "{device} подтвердил {command}"),
    "connection": ("State", "Связь"),
    "device": ("Device", "Устройство"),
    "devices": ("Devices", "Устройства"),
    "filter": ("Find a device", "Найти устройство"),
    "installed": ("Installed packages", "Установленные пакеты"),
    "live": ("live", "на связи"),
    "no_alarms": ("No alarms. Everything is normal.", "Тревог нет. Всё в норме."),
    "no_devices": ("No device matches.", "Нет подходящих устройств."),
    "no_history": ("No stored values in this window.", "Нет сохранённых значений за это время."),
    "no_numbers": ("Nothing to draw here.", "Нечего показать на графике."),
    "nothing_yet": (
        "Nothing here yet: no device has sent anything.",
        "Пока пусто: устройства ещё не прислали данных.",
    ),
    "only_abnormal": ("Abnormal only", "Только отклонения"),
    "packages": ("Packages", "Пакеты"),
    "parameter": ("Parameter", "Параметр"),
    "password": ("Password", "Пароль"),
    "place": ("Place", "Место"),
    "quality": ("Quality", "Качество"),
    "send": ("Send", "Отправить"),
    "sign_in": ("Sign in", "Войти"),
    "sign_in_first": ("Sign in as operator to acknowledge.", "Войдите как оператор, чтобы квитировать."),
    "sign_in_to_see": ("Sign in to see the plant.", "Войдите, чтобы видеть установку."),
    "sign_out": ("Sign out", "Выйти"),
    "silent": ("silent", "нет связи"),
    "silent_devices": ("Not communicating", "Нет связи"),
    "stopped": ("The sign-in has ended.", "Сеанс завершён."),
    "trend": ("Trend", "Тренд"),
    "unassigned": ("unassigned", "не указано"),
    "uncertain": ("late", "задержка"),
    "upload": ("Upload", "Загрузить"),
    "upload_needs": ("Uploading needs the role engineer.", "Для загрузки нужна роль engineer."),
    "user": ("User", "Пользователь"),
    "value": ("Value", "Значение"),
    "values": ("Values", "Значения"),
    "waiting": ("waiting", "ожидание"),
    "days": ("d", "д"),
    "hours": ("h", "ч"),
    "minutes": ("min", "мин"),
    "seconds": ("s", "с"),
    "yes": ("yes", "да"),
    "no": ("no", "нет"),
}


class Words:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._column = LANGUAGES.index(self.language)

    def __call__(self, key: str, **parts: str) -> str:
        """One text with its parts filled in."""
        text = _WORDS[key][self._column]
        return text.format(**parts) if parts else text

    @property
    def other(self) -> str:
        """The language to switch to."""
        return LANGUAGES[1 - self._column]
