"""IAM's OpenID Connect providers: whose tokens may be exchanged for a role."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Resource, ResourceUpdate, tag_list, tag_map
from local_cloud.provider.schema import ListOf, Properties, Property, Text

__all__ = ["OpenIdConnectProvider"]


class OpenIdConnectProvider(Resource):
    """An issuer of tokens, one per URL and account; AWS finds its certificate by itself."""

    type_name = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    service = "iam"
    regional = False
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    properties: ClassVar = {
        "url": Property(
            kind=Text(),
            required=True,
            replaces=True,
            rules=(rules.matches(r"https://[^?#\s]+", 1, 255, "it begins with https:// and has no query"),),
        ),
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        "clientIdLists": Property(kind=ListOf(Text(), most=100), required=True),
        "tags": TAGS,
    }
    outputs = ("arn", "thumbprintLists")
    gone = ("NoSuchEntity",)

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the provider; the id is its ARN, which its URL decides."""
        answer = self.api.create_open_id_connect_provider(
            Url=inputs["url"], ClientIDList=inputs["clientIdLists"], Tags=tag_list(inputs.get("tags"))
        )
        return str(answer["OpenIDConnectProviderArn"])

    def live(self, identifier: str) -> Properties:
        """Read the provider, whose URL is told without its scheme."""
        answer = self.api.get_open_id_connect_provider(OpenIDConnectProviderArn=identifier)
        return {
            "url": f"https://{answer['Url'].removeprefix('https://')}",
            "clientIdLists": answer["ClientIDList"],
            "tags": tag_map(answer.get("Tags")),
            "arn": identifier,
            "thumbprintLists": answer["ThumbprintList"],
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make it anew under the same ARN: emulators have no calls that change one."""
        self.remove(identifier)
        self.create(change.news)

    def remove(self, identifier: str) -> None:
        """Delete the provider."""
        self.api.delete_open_id_connect_provider(OpenIDConnectProviderArn=identifier)
