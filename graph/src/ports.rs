//! Names of the services that operators meet, for display.

use std::fmt;

use watershed_model::Protocol;

/// A service: protocol and server port; for ICMP the type that the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// The IP protocol.
    pub protocol: Protocol,
    /// The server's port, an ICMP type, or 0.
    pub port: u16,
}

impl Service {
    /// Its customary name, if it has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        service_name(self.protocol, self.port)
    }
}

/// `tcp/5432`; the protocol alone where it has neither ports nor types.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol.has_ports() || self.protocol.is_icmp() || self.port != 0 {
            write!(f, "{}/{}", self.protocol, self.port)
        } else {
            self.protocol.fmt(f)
        }
    }
}

/// The customary name of a port or ICMP type: `postgresql` for TCP port 5432.
///
/// Names follow the IANA registry, or the product where the registry's name is not what operators say.
#[must_use]
pub fn service_name(protocol: Protocol, port: u16) -> Option<&'static str> {
    let table = match protocol {
        Protocol::TCP => TCP,
        Protocol::UDP => UDP,
        Protocol::SCTP => SCTP,
        Protocol::ICMP => ICMP,
        Protocol::ICMPV6 => ICMPV6,
        _ => return None,
    };
    table.binary_search_by_key(&port, |&(number, _)| number).ok().map(|index| table[index].1)
}

/// Whether clients of this service send without expecting an answer: logs, samples, tunnels.
pub(crate) fn is_one_way(service: Service) -> bool {
    const PORTS: [u16; 10] = [162, 514, 2055, 4739, 4789, 6081, 6343, 8125, 12201, 25826];
    service.protocol == Protocol::UDP && PORTS.contains(&service.port)
}

// Each table is in order of its ports: it is searched by halving.

const TCP: &[(u16, &str)] = &[
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (43, "whois"),
    (49, "tacacs"),
    (53, "dns"),
    (80, "http"),
    (88, "kerberos"),
    (110, "pop3"),
    (111, "rpcbind"),
    (135, "msrpc"),
    (139, "netbios-ssn"),
    (143, "imap"),
    (179, "bgp"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (464, "kpasswd"),
    (465, "smtps"),
    (514, "syslog"),
    (515, "lpd"),
    (587, "submission"),
    (631, "ipp"),
    (636, "ldaps"),
    (853, "dns-over-tls"),
    (873, "rsync"),
    (993, "imaps"),
    (995, "pop3s"),
    (1433, "mssql"),
    (1521, "oracle"),
    (1883, "mqtt"),
    (2049, "nfs"),
    (2181, "zookeeper"),
    (2375, "docker"),
    (2376, "docker-tls"),
    (2379, "etcd"),
    (2380, "etcd-peer"),
    (3000, "grafana"),
    (3128, "http-proxy"),
    (3260, "iscsi"),
    (3268, "ldap-gc"),
    (3306, "mysql"),
    (3389, "rdp"),
    (4222, "nats"),
    (4317, "otlp-grpc"),
    (4318, "otlp-http"),
    (5060, "sip"),
    (5061, "sips"),
    (5222, "xmpp"),
    (5432, "postgresql"),
    (5601, "kibana"),
    (5671, "amqps"),
    (5672, "amqp"),
    (5900, "vnc"),
    (5985, "winrm"),
    (5986, "winrm-tls"),
    (6379, "redis"),
    (6443, "kubernetes-api"),
    (6514, "syslog-tls"),
    (8080, "http-alt"),
    (8086, "influxdb"),
    (8123, "clickhouse-http"),
    (8200, "vault"),
    (8443, "https-alt"),
    (8500, "consul"),
    (8883, "mqtts"),
    (9000, "clickhouse"),
    (9042, "cassandra"),
    (9090, "prometheus"),
    (9092, "kafka"),
    (9093, "alertmanager"),
    (9100, "node-exporter"),
    (9200, "elasticsearch"),
    (10050, "zabbix-agent"),
    (10051, "zabbix-trapper"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (15672, "rabbitmq-admin"),
    (26379, "redis-sentinel"),
    (27017, "mongodb"),
];

const UDP: &[(u16, &str)] = &[
    (53, "dns"),
    (67, "dhcp"),
    (68, "dhcp-client"),
    (69, "tftp"),
    (88, "kerberos"),
    (111, "rpcbind"),
    (123, "ntp"),
    (137, "netbios-ns"),
    (138, "netbios-dgm"),
    (161, "snmp"),
    (162, "snmp-trap"),
    (389, "cldap"),
    (443, "quic"),
    (464, "kpasswd"),
    (500, "ike"),
    (514, "syslog"),
    (546, "dhcpv6-client"),
    (547, "dhcpv6"),
    (853, "dns-over-quic"),
    (1194, "openvpn"),
    (1812, "radius"),
    (1813, "radius-acct"),
    (1900, "ssdp"),
    (2055, "netflow"),
    (2123, "gtp-c"),
    (2152, "gtp-u"),
    (3478, "stun"),
    (3544, "teredo"),
    (4500, "ipsec-nat-t"),
    (4739, "ipfix"),
    (4789, "vxlan"),
    (5060, "sip"),
    (5353, "mdns"),
    (5355, "llmnr"),
    (6081, "geneve"),
    (6343, "sflow"),
    (8125, "statsd"),
    (8472, "vxlan-linux"),
    (12201, "gelf"),
    (25826, "collectd"),
    (51820, "wireguard"),
];

const SCTP: &[(u16, &str)] =
    &[(2905, "m3ua"), (3868, "diameter"), (36412, "s1ap"), (36422, "x2ap"), (38412, "ngap")];

const ICMP: &[(u16, &str)] = &[
    (3, "unreachable"),
    (5, "redirect"),
    (8, "echo"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (13, "timestamp"),
];

const ICMPV6: &[(u16, &str)] = &[
    (1, "unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (128, "echo"),
    (133, "router-solicitation"),
    (134, "router-advertisement"),
    (135, "neighbour-solicitation"),
    (136, "neighbour-advertisement"),
    (143, "multicast-listener-report"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        for table in [TCP, UDP, SCTP, ICMP, ICMPV6] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn services_have_names_by_protocol() {
        assert_eq!(service_name(Protocol::TCP, 443), Some("https"));
        assert_eq!(service_name(Protocol::UDP, 443), Some("quic"));
        assert_eq!(service_name(Protocol::TCP, 49_999), None);
        assert_eq!(Service { protocol: Protocol(47), port: 0 }.to_string(), "47");
        assert_eq!(Service { protocol: Protocol::TCP, port: 22 }.to_string(), "tcp/22");
    }
}
