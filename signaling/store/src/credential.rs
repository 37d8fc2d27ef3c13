//! Credential lists and IP access control lists. Sans-IO.

use std::net::IpAddr;

use shared::limits::{
    CREDENTIAL_LISTS_ACCOUNT_MAX, CREDENTIALS_LIST_MAX, FRIENDLY_NAME_CHARACTERS_MAX,
    FRIENDLY_NAME_LONG_CHARACTERS_MAX, IP_ACCESS_CONTROL_LISTS_ACCOUNT_MAX, IP_ADDRESSES_LIST_MAX,
};
use shared::{
    AccountSid, Code, CredentialListSid, CredentialSid, IpAccessControlListSid, IpAddressSid,
};

use crate::kind::ResourceKind;
use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, resource};
use crate::secret::{Ha1, Secret};
use crate::stored::Stored;
use crate::value::Value;

resource! {
    /// A list of SIP users. Mapped to a domain, they may call through it or register at it.
    pub struct CredentialList {
        /// Named by mappings and by the paths of its credentials.
        sid: CredentialListSid => [Column::fixed("sid").shown_as_sid("sid", CredentialListSid::PREFIX)],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// 1 to 64 characters, unique in the account.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "credential_lists",
        limit: CREDENTIAL_LISTS_ACCOUNT_MAX,
        limit_reached: (Code::CREDENTIAL_LISTS_MAX, "credential lists of an account"),
        name_taken: (Code::CREDENTIAL_LIST, "A credential list with this FriendlyName already exists"),
        in_use: (Code::CREDENTIAL_LIST_MAPPED, "The credential list is still mapped to a domain"),
        unique: &[&["account", "friendly_name"]],
        collections: &[Collection::new("Accounts/{account_sid}/SIP/CredentialLists", "credential_lists")],
        below: &[("credentials", "Credentials")],
    }
    /// Parameters of a credential list.
    taking CredentialListParameters {
        /// Unique in the account.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::CREDENTIAL_LIST)
                .required(On::Both),
    }
}

resource! {
    /// A SIP user.
    pub struct Credential {
        /// Not what the user sends: that is `username`.
        sid: CredentialSid => [Column::fixed("sid").shown_as_sid("sid", CredentialSid::PREFIX)],
        /// The account that owns its list.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// The list it belongs to, for good.
        list: CredentialListSid => [
            Column::fixed("list").shown_as_sid("credential_list_sid", CredentialListSid::PREFIX),
        ],
        /// 1 to 32 characters, unique in the list.
        username: String => [Column::fixed("username").shown("username")],
        /// What digest authentication needs; the password itself is not kept.
        ha1: Ha1 => [Column::changing("ha1_md5"), Column::changing("ha1_sha256")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "credentials",
        owner: "list",
        owned_by: ResourceKind::CredentialList,
        limit: CREDENTIALS_LIST_MAX,
        limit_reached: (Code::CREDENTIALS_MAX, "credentials of a credential list"),
        name_taken: (Code::CREDENTIAL_LIST, "A credential with this Username already exists in the credential list"),
        unique: &[&["list", "username"]],
        collections: &[Collection::new("Accounts/{account_sid}/SIP/CredentialLists/{credential_list_sid}/Credentials", "credentials")],
    }
    /// Parameters of a credential.
    taking CredentialParameters {
        /// Cannot be changed later: the stored hashes contain it.
        username: String =>
            Parameter::new("Username", Form::Text, Code::CREDENTIAL_LIST).taken(On::Create).required(On::Create),
        /// The rules demand a strong one. They refuse an update without it too, as nothing else can change.
        password: Secret => Parameter::new("Password", Form::Secret, Code::CREDENTIAL_LIST).required(On::Create),
    }
}

impl Stored for Ha1 {
    fn put(&self, values: &mut Vec<Value>) {
        self.md5.put(values);
        self.sha256.put(values);
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        Some(Self { md5: Stored::take(values)?, sha256: Stored::take(values)? })
    }
}

resource! {
    /// A list of addresses. Mapped to a domain, calls may come from them.
    pub struct IpAccessControlList {
        /// Named by mappings and by the paths of its addresses.
        sid: IpAccessControlListSid => [
            Column::fixed("sid").shown_as_sid("sid", IpAccessControlListSid::PREFIX),
        ],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// 1 to 255 characters, unique in the account.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "ip_access_control_lists",
        limit: IP_ACCESS_CONTROL_LISTS_ACCOUNT_MAX,
        limit_reached: (Code::ACCESS_CONTROL_LISTS_MAX, "IP access control lists of an account"),
        name_taken: (Code::ACCESS_CONTROL_LIST, "An IP access control list with this FriendlyName already exists"),
        in_use: (Code::ACCESS_CONTROL_LIST_MAPPED, "The IP access control list is still mapped to a domain"),
        unique: &[&["account", "friendly_name"]],
        collections: &[Collection::new("Accounts/{account_sid}/SIP/IpAccessControlLists", "ip_access_control_lists")],
        below: &[("ip_addresses", "IpAddresses")],
    }
    /// Parameters of an IP access control list.
    taking IpAccessControlListParameters {
        /// Unique in the account.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_LONG_CHARACTERS_MAX), Code::ACCESS_CONTROL_LIST)
                .required(On::Both),
    }
}

resource! {
    /// An address, or a block of them, in an IP access control list.
    pub struct IpAddress {
        /// Named by its path.
        sid: IpAddressSid => [Column::fixed("sid").shown_as_sid("sid", IpAddressSid::PREFIX)],
        /// The account that owns its list.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// The list it belongs to, for good.
        list: IpAccessControlListSid => [
            Column::fixed("list")
                .shown_as_sid("ip_access_control_list_sid", IpAccessControlListSid::PREFIX),
        ],
        /// 1 to 255 characters, unique in the list.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// The address and the number of its leading bits that count; unique in the list.
        block: Cidr => [
            Column::changing("address").shown("ip_address"),
            Column::changing("prefix").shown("cidr_prefix_length"),
        ],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "ip_addresses",
        owner: "list",
        owned_by: ResourceKind::IpAccessControlList,
        limit: IP_ADDRESSES_LIST_MAX,
        limit_reached: (Code::ACCESS_CONTROL_ADDRESSES_MAX, "addresses of an IP access control list"),
        name_taken: (
            Code::ACCESS_CONTROL_LIST,
            // The database says that a name of the row is taken, not which of the two: the sentence names
            // both.
            "This FriendlyName or IpAddress already exists in the IP access control list",
        ),
        // A block that stood twice in a list would still admit calls after one of the two rows is deleted.
        unique: &[&["list", "friendly_name"], &["list", "address", "prefix"]],
        collections: &[
            Collection::new("Accounts/{account_sid}/SIP/IpAccessControlLists/{ip_access_control_list_sid}/IpAddresses", "ip_addresses"),
            // An earlier name, which the contract's document no longer has: clients that use it keep
            // working.
            Collection::new("Accounts/{account_sid}/SIP/IpAccessControlLists/{ip_access_control_list_sid}/Addresses", "ip_addresses"),
        ],
    }
    /// Parameters of an address.
    taking IpAddressParameters {
        /// Unique in the list.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_LONG_CHARACTERS_MAX), Code::ACCESS_CONTROL_LIST)
                .required(On::Create),
        /// A new one keeps the prefix where that fits.
        address: IpAddr => Parameter::new("IpAddress", Form::Address, Code::ACCESS_CONTROL_LIST).required(On::Create),
        // 128 here for both versions: only the rule knows the address, and it refuses a prefix that is
        // longer than that.
        /// Leading bits that count. Default: all, so that the block is the one address.
        prefix: u8 => Parameter::new("CidrPrefixLength", Form::Number(0, 128), Code::ACCESS_CONTROL_LIST),
    }
}

impl Stored for Cidr {
    fn put(&self, values: &mut Vec<Value>) {
        self.address.to_string().put(values);
        i64::from(self.prefix).put(values);
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        let address = String::take(values)?.parse().ok()?;
        let prefix = i64::take(values)?.try_into().ok()?;
        // By the constructor, so that a row with a prefix longer than its address is damaged and not a
        // block.
        Self::new(address, Some(prefix))
    }
}

/// A block of addresses: an address as it was given, and the length of its prefix (RFC 4632).
///
/// Never holds an IPv4-mapped IPv6 address: `::ffff:a.b.c.d` is `a.b.c.d`, so that a
/// dual-stack socket and an IPv4 one agree on who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// A block. `None` when the prefix is longer than the address. Without a prefix: the one address.
    pub fn new(address: IpAddr, prefix: Option<u8>) -> Option<Self> {
        let address = address.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// The address as it was given, host bits included.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `source` lies in the block.
    pub fn contains(self, source: IpAddr) -> bool {
        match (self.address, source.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(source)) => {
                // A prefix of 0 shifts by the whole width, which `<<` does not define. The mask is empty
                // then, and the block has every source of its version.
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (block.to_bits() ^ source.to_bits()) & mask == 0
            }
            (IpAddr::V6(block), IpAddr::V6(source)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (block.to_bits() ^ source.to_bits()) & mask == 0
            }
            // Also for a prefix of 0: `0.0.0.0/0` admits no IPv6 source.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str, prefix: Option<u8>) -> Cidr {
        Cidr::new(text.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_block_contains_exactly_its_prefix() {
        let cases = [
            ("192.0.2.10", None, "192.0.2.10", true),
            ("192.0.2.10", None, "192.0.2.11", false),
            ("192.0.2.10", Some(24), "192.0.2.200", true),
            ("192.0.2.10", Some(24), "192.0.3.1", false),
            ("0.0.0.0", Some(0), "203.0.113.9", true),
            ("0.0.0.0", Some(0), "2001:db8::1", false),
            ("192.0.2.10", None, "::ffff:192.0.2.10", true),
            ("::ffff:192.0.2.10", None, "192.0.2.10", true),
            ("2001:db8::1", Some(32), "2001:db8:ffff::1", true),
            ("2001:db8::1", None, "2001:db8::2", false),
        ];
        for (block, prefix, source, expected) in cases {
            let found = cidr(block, prefix).contains(source.parse().unwrap());
            assert_eq!(found, expected, "{block}/{prefix:?} {source}");
        }
    }

    #[test]
    fn a_prefix_longer_than_the_address_is_refused() {
        assert!(Cidr::new("192.0.2.1".parse().unwrap(), Some(33)).is_none());
        assert!(Cidr::new("2001:db8::".parse().unwrap(), Some(129)).is_none());
    }
}
