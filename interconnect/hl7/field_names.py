"""HL7's own names of the fields of the segments we read, as in v2.5.1 chapters 2, 3 and 7."""

from typing import Final

FIELD_NAMES: Final[dict[str, tuple[str, ...]]] = {
    segment: tuple(name.strip() for name in names.split("|"))
    for segment, names in {
        "MSH": """Field Separator | Encoding Characters | Sending Application | Sending Facility
            | Receiving Application | Receiving Facility | Date/Time of Message | Security | Message Type
            | Message Control ID | Processing ID | Version ID | Sequence Number | Continuation Pointer
            | Accept Acknowledgment Type | Application Acknowledgment Type | Country Code | Character Set
            | Principal Language of Message | Alternate Character Set Handling Scheme | Message Profile Identifier""",
        "EVN": """Event Type Code | Recorded Date/Time | Date/Time Planned Event | Event Reason Code | Operator ID
            | Event Occurred | Event Facility""",
        "PID": """Set ID - PID | Patient ID | Patient Identifier List | Alternate Patient ID - PID | Patient Name
            | Mother's Maiden Name | Date/Time of Birth | Administrative Sex | Patient Alias | Race | Patient Address
            | County Code | Phone Number - Home | Phone Number - Business | Primary Language | Marital Status | Religion
            | Patient Account Number | SSN Number - Patient | Driver's License Number - Patient | Mother's Identifier
            | Ethnic Group | Birth Place | Multiple Birth Indicator | Birth Order | Citizenship
            | Veterans Military Status | Nationality | Patient Death Date and Time | Patient Death Indicator
            | Identity Unknown Indicator | Identity Reliability Code | Last Update Date/Time | Last Update Facility
            | Species Code | Breed Code | Strain | Production Class Code | Tribal Citizenship""",
        "NK1": """Set ID - NK1 | Name | Relationship | Address | Phone Number | Business Phone Number | Contact Role
            | Start Date | End Date | Next of Kin / Associated Parties Job Title
            | Next of Kin / Associated Parties Job Code/Class | Next of Kin / Associated Parties Employee Number
            | Organization Name - NK1 | Marital Status | Administrative Sex | Date/Time of Birth | Living Dependency
            | Ambulatory Status | Citizenship | Primary Language | Living Arrangement | Publicity Code
            | Protection Indicator | Student Indicator | Religion | Mother's Maiden Name | Nationality | Ethnic Group
            | Contact Reason | Contact Person's Name | Contact Person's Telephone Number | Contact Person's Address
            | Next of Kin/Associated Party's Identifiers | Job Status | Race | Handicap
            | Contact Person Social Security Number | Next of Kin Birth Place | VIP Indicator""",
        "PV1": """Set ID - PV1 | Patient Class | Assigned Patient Location | Admission Type | Preadmit Number
            | Prior Patient Location | Attending Doctor | Referring Doctor | Consulting Doctor | Hospital Service
            | Temporary Location | Preadmit Test Indicator | Re-admission Indicator | Admit Source | Ambulatory Status
            | VIP Indicator | Admitting Doctor | Patient Type | Visit Number | Financial Class | Charge Price Indicator
            | Courtesy Code | Credit Rating | Contract Code | Contract Effective Date | Contract Amount
            | Contract Period | Interest Code | Transfer to Bad Debt Code | Transfer to Bad Debt Date
            | Bad Debt Agency Code | Bad Debt Transfer Amount | Bad Debt Recovery Amount | Delete Account Indicator
            | Delete Account Date | Discharge Disposition | Discharged to Location | Diet Type | Servicing Facility
            | Bed Status | Account Status | Pending Location | Prior Temporary Location | Admit Date/Time
            | Discharge Date/Time | Current Patient Balance | Total Charges | Total Adjustments | Total Payments
            | Alternate Visit ID | Visit Indicator | Other Healthcare Provider""",
        "MRG": """Prior Patient Identifier List | Prior Alternate Patient ID | Prior Patient Account Number
            | Prior Patient ID | Prior Visit Number | Prior Alternate Visit ID | Prior Patient Name""",
        "OBR": """Set ID - OBR | Placer Order Number | Filler Order Number | Universal Service Identifier
            | Priority - OBR | Requested Date/Time | Observation Date/Time | Observation End Date/Time
            | Collection Volume
            | Collector Identifier | Specimen Action Code | Danger Code | Relevant Clinical Information
            | Specimen Received Date/Time | Specimen Source | Ordering Provider | Order Callback Phone Number
            | Placer Field 1 | Placer Field 2 | Filler Field 1 | Filler Field 2 | Results Rpt/Status Chng - Date/Time
            | Charge to Practice | Diagnostic Serv Sect ID | Result Status | Parent Result | Quantity/Timing
            | Result Copies To | Parent | Transportation Mode | Reason for Study | Principal Result Interpreter
            | Assistant Result Interpreter | Technician | Transcriptionist | Scheduled Date/Time
            | Number of Sample Containers | Transport Logistics of Collected Sample | Collector's Comment
            | Transport Arrangement Responsibility | Transport Arranged | Escort Required
            | Planned Patient Transport Comment | Procedure Code | Procedure Code Modifier
            | Placer Supplemental Service Information | Filler Supplemental Service Information
            | Medically Necessary Duplicate Procedure Reason | Result Handling | Parent Universal Service Identifier""",
        "OBX": """Set ID - OBX | Value Type | Observation Identifier | Observation Sub-ID | Observation Value | Units
            | References Range | Abnormal Flags | Probability | Nature of Abnormal Test | Observation Result Status
            | Effective Date of Reference Range Values | User Defined Access Checks | Date/Time of the Observation
            | Producer's Reference | Responsible Observer | Observation Method | Equipment Instance Identifier
            | Date/Time of the Analysis | Reserved for harmonization with V2.6 | Reserved for harmonization with V2.6
            | Reserved for harmonization with V2.6 | Performing Organization Name | Performing Organization Address
            | Performing Organization Medical Director""",
        "MSA": """Acknowledgment Code | Message Control ID | Text Message | Expected Sequence Number
            | Delayed Acknowledgment Type | Error Condition""",
        "ERR": """Error Code and Location | Error Location | HL7 Error Code | Severity | Application Error Code
            | Application Error Parameter | Diagnostic Information | User Message | Inform Person Indicator
            | Override Type | Override Reason Code | Help Desk Contact Point""",
    }.items()
}


def field_name(segment: str, position: int) -> str:
    """Return HL7's name of a field, "" for a segment or a position that v2.5.1 does not have (Z-segments, say)."""
    names = FIELD_NAMES.get(segment, ())
    return names[position - 1] if 0 < position <= len(names) else ""
