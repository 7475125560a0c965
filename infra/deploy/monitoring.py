"""The template of a stage's monitoring: its alarms, the topic that they go to, and its dashboard. Pure."""

from typing import Final

from infra.deploy.alarms import ALARMS, alarm_resource
from infra.deploy.dashboard import dashboard_resource
from infra.deploy.defects import defect_filters
from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import filled

_CONDITIONS: Final = {"HasEmail": "AlarmEmail", "HasDatabase": "DatabaseCluster"}


def monitoring_template() -> JsonObject:
    """Return the CloudFormation template of the alarms, where they are sent, and the dashboard."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Alarms and the dashboard to look at first.",
        "Parameters": {
            "Stage": {"Type": "String"},
            "WebsocketAPIId": {"Type": "String"},
            "AlarmEmail": {"Type": "String", "Default": ""},
            "DatabaseCluster": {"Type": "String", "Default": ""},
            "IsEmulated": {"Type": "String", "Default": "false"},
        },
        "Conditions": {
            **{name: _is_other(parameter, "") for name, parameter in _CONDITIONS.items()},
            "IsNoEmulator": _is_other("IsEmulated", "true"),
        },
        "Resources": {
            "AlarmTopic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"TopicName": filled("orderflow-${Stage}-alarms")},
            },
            "AlarmSubscription": {
                "Type": "AWS::SNS::Subscription",
                "Condition": "HasEmail",
                "Properties": {
                    "TopicArn": {"Ref": "AlarmTopic"},
                    "Protocol": "email",
                    "Endpoint": {"Ref": "AlarmEmail"},
                },
            },
            "Dashboard": dashboard_resource(),
            **defect_filters(),
            **{alarm.name: alarm_resource(alarm) for alarm in ALARMS},
        },
        "Outputs": {"AlarmTopicArn": {"Value": {"Ref": "AlarmTopic"}}},
    }


def _is_other(parameter: str, value: str) -> JsonObject:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, value]}]}
