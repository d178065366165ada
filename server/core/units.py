"""EUInformation from UNECE Recommendation 20 codes: our own table of those in use (OPC 10000-8, 5.6.3)."""

from __future__ import annotations

from dataclasses import dataclass

from server.core.texts import Texts

UNECE_NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"
OWN_NAMESPACE = "urn:fieldloom:units"


@dataclass(frozen=True, slots=True)
class EUInformation:
    """An engineering unit as OPC UA carries it."""

    namespace_uri: str
    unit_id: int
    display_name: Texts
    description: Texts


def unit_id_of(code: str) -> int:
    """The unitId of a UNECE common code: its ASCII bytes, most significant first, in one Int32."""
    return int.from_bytes(code.encode("ascii"), "big")


# symbol -> (UNECE common code, English name, Russian symbol, Russian name)
_TABLE: dict[str, tuple[str, str, str, str]] = {
    "V": ("VLT", "volt", "В", "вольт"),
    "A": ("AMP", "ampere", "А", "ампер"),
    "mA": ("4K", "milliampere", "мА", "миллиампер"),
    "kA": ("B22", "kiloampere", "кА", "килоампер"),
    "W": ("WTT", "watt", "Вт", "ватт"),
    "kW": ("KWT", "kilowatt", "кВт", "киловатт"),
    "var": ("D44", "var", "вар", "вар"),
    "VA": ("D46", "volt-ampere", "В·А", "вольт-ампер"),
    "kWh": ("KWH", "kilowatt hour", "кВт·ч", "киловатт-час"),
    "Hz": ("HTZ", "hertz", "Гц", "герц"),
    "°C": ("CEL", "degree Celsius", "°C", "градус Цельсия"),
    "bar": ("BAR", "bar", "бар", "бар"),
    "mm": ("MMT", "millimetre", "мм", "миллиметр"),
    "mm/s": ("C16", "millimetre per second", "мм/с", "миллиметр в секунду"),
    "m³/h": ("MQH", "cubic metre per hour", "м³/ч", "кубический метр в час"),
    "h": ("HUR", "hour", "ч", "час"),
    "s": ("SEC", "second", "с", "секунда"),
    "ms": ("C26", "millisecond", "мс", "миллисекунда"),
    "%": ("P1", "percent", "%", "процент"),
    "1": ("C62", "one", "1", "единица"),
    "mV": ("2Z", "millivolt", "мВ", "милливольт"),
    "kV": ("KVT", "kilovolt", "кВ", "киловольт"),
    "MW": ("MAW", "megawatt", "МВт", "мегаватт"),
    "MWh": ("MWH", "megawatt hour", "МВт·ч", "мегаватт-час"),
    "kvar": ("KVR", "kilovar", "квар", "киловар"),
    "kVA": ("KVA", "kilovolt-ampere", "кВ·А", "киловольт-ампер"),
    "Ω": ("OHM", "ohm", "Ом", "ом"),
    "K": ("KEL", "kelvin", "К", "кельвин"),
    "Pa": ("PAL", "pascal", "Па", "паскаль"),
    "kPa": ("KPA", "kilopascal", "кПа", "килопаскаль"),
    "MPa": ("MPA", "megapascal", "МПа", "мегапаскаль"),
    "mbar": ("MBR", "millibar", "мбар", "миллибар"),
    "µm": ("4H", "micrometre", "мкм", "микрометр"),
    "cm": ("CMT", "centimetre", "см", "сантиметр"),
    "m": ("MTR", "metre", "м", "метр"),
    "m/s": ("MTS", "metre per second", "м/с", "метр в секунду"),
    "m/s²": ("MSK", "metre per second squared", "м/с²", "метр на секунду в квадрате"),
    "m³": ("MTQ", "cubic metre", "м³", "кубический метр"),
    "l": ("LTR", "litre", "л", "литр"),
    "g": ("GRM", "gram", "г", "грамм"),
    "kg": ("KGM", "kilogram", "кг", "килограмм"),
    "t": ("TNE", "tonne", "т", "тонна"),
    "N": ("NEW", "newton", "Н", "ньютон"),
    "J": ("JOU", "joule", "Дж", "джоуль"),
    "kJ": ("KJO", "kilojoule", "кДж", "килоджоуль"),
    "r/min": ("RPM", "revolutions per minute", "об/мин", "оборот в минуту"),
    "°": ("DD", "degree of arc", "°", "угловой градус"),
    "min": ("MIN", "minute", "мин", "минута"),
    "d": ("DAY", "day", "сут", "сутки"),
    "dB": ("2N", "decibel", "дБ", "децибел"),
    "lx": ("LUX", "lux", "лк", "люкс"),
}


def unit_of(symbol: str) -> EUInformation:
    """EUInformation of a unit symbol; one without a UNECE code gets unitId -1 in our own namespace."""
    entry = _TABLE.get(symbol)
    if entry is None:
        return EUInformation(OWN_NAMESPACE, -1, Texts.of(symbol), Texts.of(symbol))
    code, name, symbol_ru, name_ru = entry
    return EUInformation(UNECE_NAMESPACE, unit_id_of(code), Texts.of(symbol, ru=symbol_ru), Texts.of(name, ru=name_ru))
