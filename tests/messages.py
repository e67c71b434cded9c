"""Named messages, as their senders write them. Nobody in them exists."""


def er7(*segments: str, encoding: str = "ascii") -> bytes:
    """These segments as one message, each ended by CR."""
    return "".join(f"{segment}\r" for segment in segments).encode(encoding)


ADT_A01 = er7(
    r"MSH|^~\&|EPIC|EPICOPS|CLOC|EPICOPS|20251230220000-0500||ADT^A01^ADT_A01|1000427|P|2.5.1",
    "EVN|A01|20251230220000-0500|||1234^Smith^Anna|20251230215500-0500",
    "PID|1||00427013^^^EPIC^MR~999001^^^SSA^SS||Okafor^Amaka^N^^Ms^^L||19610412|F|||12 Main St^^Boston^MA^02118",
    "PV1|1|I|MED^427^A^EPICOPS&1.2.3&ISO|E||||||CAR|||||||||V427^^^EPICOPS^VN",
    "ZEP|1|free for the sender's use",
)

ORU_R01 = er7(
    r"MSH|^~\&|MONITOR|EPICOPS|CLOC|EPICOPS|20251230220100-0500||ORU^R01^ORU_R01|2000427|P|2.5.1",
    "PID|1||00427013^^^EPIC^MR",
    "PV1|1|I|MED^427^A^EPICOPS",
    "OBR|1|||VITALS^Vital signs^L|||20251230220100-0500",
    "OBX|1|NM|8867-4^Heart rate^LN||78|/min|||||F|||20251230220100-0500",
    "OBX|2|NM|8480-6^Systolic blood pressure^LN||120|mm[Hg]|||||F|||20251230220100-0500",
    "OBX|3|NM|8462-4^Diastolic blood pressure^LN||80|mm[Hg]|||||F|||20251230220100-0500",
    "OBX|4|TX|NOTE^Note^L||taken at rest\\.br\\left arm, 1\\S\\2||||||F",
)

# v2.1: MSH-9 has no event, EVN-1 does.
ADT_OF_1990 = er7(r"MSH|^~\&|ADT1|HOSP|||199001010800||ADT|42|P|2.1", "EVN|A01|199001010800", "PID|1||42")

# The delimiters of another world, as section 2.5.4 allows.
ODD_DELIMITERS = er7(
    "MSH*:!?%*EPIC*EPICOPS***20251230220000**ADT:A01*7*P*2.5.1", "PID*1**7:::EPIC:MR!8*?X41?*Oka?S?for:Amaka"
)

BATCH = er7(r"BHS|^~\&|EPIC", *ADT_A01.decode().split("\r")[:-1], "BTS|1")

DEADLY = er7(
    r"MSH|^~\&|EPIC|EPICOPS|CLOC|EPICOPS|20251230220000-0500||ADT^A01^ADT_A01|DEADLY|P|2.5.1", "PID|1||666^^^EPIC^MR"
)
