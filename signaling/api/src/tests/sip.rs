//! SIP domains, their mappings and registrations, credential lists and IP access control lists.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::{BindingSid, CredentialListSid, DomainSid, Transport};
use store::{BindingChanges, BindingRecord, Change};

use super::{DATE, House, MAIN, T0, account_path};

#[test]
fn a_domain_looks_as_the_contract_shows_it_through_its_life() {
    let mut house = House::new();
    let form = "DomainName=plant7.sip.twilio.com&FriendlyName=Plant+7\
                &VoiceUrl=https%3A%2F%2Fapp.example%2Fvoice&SipRegistration=TRUE";
    let created = house.post(&account_path("/SIP/Domains.json"), form);
    assert_eq!(created.status, 201, "{created:?}");
    let sid = created.sid();
    let path = account_path(&format!("/SIP/Domains/{sid}"));
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "api_version": "2010-04-01",
        "domain_name": "plant7.sip.twilio.com", "friendly_name": "Plant 7", "auth_type": "",
        "voice_url": "https://app.example/voice", "voice_method": "POST",
        "voice_fallback_url": null, "voice_fallback_method": "POST",
        "voice_status_callback_url": null, "voice_status_callback_method": "POST",
        "sip_registration": true, "secure": false, "emergency_calling_enabled": false,
        "emergency_caller_sid": null, "byoc_trunk_sid": null,
        "date_created": DATE, "date_updated": DATE,
        "subresource_uris": {
            "credential_list_mappings": format!("{path}/CredentialListMappings.json"),
            "ip_access_control_list_mappings": format!("{path}/IpAccessControlListMappings.json"),
        },
        "uri": format!("{path}.json"),
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&format!("{path}.json")).body, expected);
    let updated = house.post(&format!("{path}.json"), "VoiceUrl=&VoiceMethod=GET");
    assert_eq!((updated.status, &updated.body["voice_url"]), (200, &Value::Null));
    assert_eq!(updated.body["voice_method"], "GET");
    for (form, code) in [
        ("VoiceUrl=nonsense", 21231),
        ("VoiceMethod=PUT", 21231),
        ("ByocTrunkSid=x", 21231),
        ("ByocTrunkSid=BY00000000000000000000000000000001", 21300),
        ("EmergencyCallerSid=PN00000000000000000000000000000001", 21231),
        ("EmergencyCallingEnabled=true", 21231),
        ("DomainName=a_b.sip.twilio.com", 21232),
        ("Secure=perhaps", 20422),
    ] {
        assert_eq!(house.post(&format!("{path}.json"), form).code(), code, "{form}");
    }
    assert_eq!(house.post(&account_path("/SIP/Domains.json"), "").code(), 21232);
    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    let gone = house.get(&format!("{path}.json"));
    assert_eq!(
        gone.body,
        json!({
            "code": 20404, "status": 404,
            "message": format!("The requested resource {path}.json was not found"),
            "more_info": "https://www.twilio.com/docs/errors/20404",
        })
    );
}

#[test]
fn mappings_show_the_list_and_share_one_store_with_the_legacy_paths() {
    let mut house = House::new();
    let domain =
        house.post(&account_path("/SIP/Domains.json"), "DomainName=p.sip.twilio.com").sid();
    let list =
        house.post(&account_path("/SIP/CredentialLists.json"), "FriendlyName=desk+phones").sid();
    let acl = house.post(&account_path("/SIP/IpAccessControlLists.json"), "FriendlyName=sbc").sid();
    let base = account_path(&format!("/SIP/Domains/{domain}"));
    let calls = format!("{base}/Auth/Calls/CredentialListMappings");
    let created = house.post(&format!("{calls}.json"), &format!("CredentialListSid={list}"));
    assert_eq!(created.status, 201);
    let expected = json!({
        "sid": list, "account_sid": MAIN.to_string(), "friendly_name": "desk phones",
        "date_created": DATE, "date_updated": DATE,
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&format!("{calls}/{list}.json")).body, expected);
    assert_eq!(house.get(&format!("{calls}.json")).body["contents"], json!([expected]));

    let legacy = house.get(&format!("{base}/CredentialListMappings.json"));
    let mut legacy_shape = expected.clone();
    legacy_shape["domain_sid"] = json!(domain);
    legacy_shape["uri"] = json!(format!("{base}/CredentialListMappings/{list}.json"));
    assert_eq!(legacy.body["credential_list_mappings"], json!([legacy_shape]));

    let form = format!("IpAccessControlListSid={acl}");
    let mapped = house.post(&format!("{base}/IpAccessControlListMappings.json"), &form);
    assert_eq!((mapped.status, &mapped.body["domain_sid"]), (201, &json!(domain)));
    let sources = house.get(&format!("{base}/Auth/Calls/IpAccessControlListMappings.json"));
    assert_eq!(sources.body["contents"][0]["sid"], json!(acl));
    let auth_type = house.get(&format!("{base}.json")).body["auth_type"].clone();
    assert_eq!(auth_type, "IP_ACL,CREDENTIAL_LIST");

    let registrations = format!("{base}/Auth/Registrations/CredentialListMappings");
    assert_eq!(house.get(&format!("{registrations}.json")).body["contents"], json!([]));
    let form = format!("CredentialListSid={list}");
    assert_eq!(house.post(&format!("{registrations}.json"), &form).status, 201);
    assert_eq!(house.post(&format!("{registrations}.json"), &form).code(), 21231);
    assert_eq!(house.post(&format!("{registrations}.json"), "").code(), 21231);
    for unknown in ["CL00000000000000000000000000000009", "office"] {
        let form = format!("CredentialListSid={unknown}");
        let answer = house.post(&format!("{registrations}.json"), &form);
        assert_eq!(answer.code(), 20404);
        assert_eq!(answer.body["message"], "The list that CredentialListSid names was not found");
    }
    let unknown = format!("CredentialListSid={}", CredentialListSid(1));
    assert_eq!(house.post(&format!("{registrations}.json"), &unknown).code(), 20404);
    assert_eq!(house.post(&format!("{calls}/{list}.json"), "").code(), 20004);
    assert_eq!(house.delete(&format!("{calls}/{list}.json")).status, 204);
    assert_eq!(house.delete(&format!("{calls}/{list}.json")).code(), 20404);
    let path = account_path(&format!("/SIP/CredentialLists/{list}.json"));
    assert_eq!(house.delete(&path).code(), 21241);
}

#[test]
fn credentials_never_show_a_password() {
    let mut house = House::new();
    let created = house.post(&account_path("/SIP/CredentialLists.json"), "FriendlyName=desk");
    let list = created.sid();
    let path = account_path(&format!("/SIP/CredentialLists/{list}"));
    assert_eq!(
        created.body,
        json!({
            "sid": list, "account_sid": MAIN.to_string(), "friendly_name": "desk",
            "date_created": DATE, "date_updated": DATE, "uri": format!("{path}.json"),
            "subresource_uris": {"credentials": format!("{path}/Credentials.json")},
        })
    );
    let form = "Username=alice&Password=Correct-Horse-7";
    let user = house.post(&format!("{path}/Credentials.json"), form);
    assert_eq!(user.status, 201);
    let sid = user.sid();
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "credential_list_sid": list,
        "username": "alice", "date_created": DATE, "date_updated": DATE,
        "uri": format!("{path}/Credentials/{sid}.json"),
    });
    assert_eq!(user.body, expected);
    assert_eq!(
        house.get(&format!("{path}/Credentials.json")).body["credentials"],
        json!([expected])
    );
    let update = house.post(&format!("{path}/Credentials/{sid}.json"), "Password=Other-Horse-77");
    assert_eq!(update.status, 200);
    assert_eq!(house.post(&format!("{path}/Credentials/{sid}.json"), "Password=x").code(), 21240);
    assert_eq!(house.post(&format!("{path}/Credentials.json"), "Username=bob").code(), 21240);
    assert_eq!(house.delete(&format!("{path}/Credentials/{sid}.json")).status, 204);
    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    assert_eq!(house.get(&format!("{path}/Credentials.json")).code(), 20404);
}

#[test]
fn ip_addresses_look_as_the_contract_shows_them() {
    let mut house = House::new();
    let created = house.post(&account_path("/SIP/IpAccessControlLists.json"), "FriendlyName=sbcs");
    let list = created.sid();
    let path = account_path(&format!("/SIP/IpAccessControlLists/{list}"));
    let below = format!("{path}/IpAddresses.json");
    assert_eq!(created.body["subresource_uris"], json!({"ip_addresses": below}));
    let row = house.post(&below, "FriendlyName=SBC+a&IpAddress=192.0.2.10");
    let sid = row.sid();
    assert_eq!(
        row.body,
        json!({
            "sid": sid, "account_sid": MAIN.to_string(), "ip_access_control_list_sid": list,
            "friendly_name": "SBC a", "ip_address": "192.0.2.10", "cidr_prefix_length": 32,
            "date_created": DATE, "date_updated": DATE,
            "uri": format!("{path}/IpAddresses/{sid}.json"),
        })
    );
    assert_eq!(house.get(&format!("{path}/Addresses/{sid}.json")).body, row.body);
    let six = house.post(&below, "FriendlyName=v6&IpAddress=2001:db8::1&CidrPrefixLength=64");
    assert_eq!(six.body["cidr_prefix_length"], 64);
    for form in [
        "FriendlyName=x",
        "FriendlyName=x&IpAddress=192.0.2.*",
        "FriendlyName=x&IpAddress=192.0.2.1&CidrPrefixLength=33",
        "FriendlyName=x&IpAddress=192.0.2.1&CidrPrefixLength=-1",
        "FriendlyName=x&IpAddress=192.0.2.10",
        "IpAddress=192.0.2.11",
    ] {
        assert_eq!(house.post(&below, form).code(), 21235, "{form}");
    }
    let moved = house.post(&format!("{path}/IpAddresses/{sid}.json"), "CidrPrefixLength=24");
    assert_eq!((moved.status, &moved.body["cidr_prefix_length"]), (200, &json!(24)));
}

#[test]
fn a_registration_is_deleted_once() {
    let mut house = House::new();
    let form = "DomainName=plant7.sip.sidetone.test";
    let domain = house.post(&account_path("/SIP/Domains.json"), form).sid();
    let binding = registration(domain.parse().unwrap());
    let path = account_path(&format!("/SIP/Domains/{domain}/Registrations/{}.json", binding.sid));
    let changes = BindingChanges { put: vec![binding], removed: Vec::new() };
    house.commit(Change::ChangeBindings(Arc::new(changes)));
    assert_eq!(house.get(&path).body["username"], "alice");
    let list = account_path(&format!("/SIP/Domains/{domain}/Registrations.json"));
    let listed = |house: &mut House, query: &str| {
        let page = house.get(&format!("{list}{query}")).body;
        page["registrations"].as_array().map(Vec::len)
    };
    assert_eq!((listed(&mut house, ""), listed(&mut house, "?Username=alice")), (Some(1), Some(1)));
    assert_eq!(listed(&mut house, "?Username=bob"), Some(0));
    house.now.unix_ms += 3_600_000;
    assert_eq!(listed(&mut house, ""), Some(0), "it has expired");
    house.now.unix_ms = T0;
    assert_eq!(house.post(&path, "").status, 405);
    assert_eq!((house.delete(&path).status, house.delete(&path).status), (204, 404));
    assert_eq!(house.get(&path).status, 404);
}

/// A contact of alice, for an hour.
fn registration(domain: DomainSid) -> BindingRecord {
    BindingRecord {
        sid: BindingSid(7),
        account: MAIN,
        domain,
        user: "alice".to_owned(),
        contact: b"<sip:alice@192.0.2.9>".to_vec(),
        path: Vec::new(),
        call_id: "c".to_owned(),
        cseq: 1,
        transport: Transport::Udp,
        remote: "192.0.2.9:5060".parse().unwrap(),
        local: "192.0.2.1:5060".parse().unwrap(),
        edge: "ashburn".to_owned(),
        outbound: None,
        user_agent: String::new(),
        created_ms: T0,
        updated_ms: T0,
        expires_ms: T0 + 3_600_000,
    }
}
