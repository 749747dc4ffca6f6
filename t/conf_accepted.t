#!/usr/bin/perl

# What nginx.conf may say: "nginx -t" accepts it without a warning, and what
# has to do with other files and servers then works.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my ($japan, $germany, $france) = qw(203.0.113.5 198.51.100.5 192.0.2.5);
my ($nowhere, $germany6) = qw(100.64.0.5 2001:db8::5);

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->document('report', 1000);
$t->countries('203.0.113.0/24' => 'JP',
              '192.0.2.0/24' => { continent => { code => 'EU' } });
$t->write_file('password', "secret\nnot this\n");
$t->write_file('password.crlf', "secret\r\n");
chmod(0600, map { "$t->{dir}/$_" } qw/ password password.crlf /);

Test::Gate::Countries::write("$t->{dir}/more.mmdb",
                             '203.0.113.0/24' => 'US',
                             '198.51.100.0/24' => 'DE');
Test::Gate::Countries::write("$t->{dir}/most.mmdb",
                             '192.0.2.0/24' => 'FR', '203.0.113.0/24' => 'CN',
                             '198.51.100.0/24' => 'CN', '2001:db8::/32' => 'DE'
                             );

my $all = join ' ', map { my $a = $_; map { "$a$_" } 'A' .. 'Z' } 'A' .. 'Z';

# words of gate_policy

accepted(policy => "quota bytes=$_ per=day;")
    for qw(2g 500m 64k 2G 500M 64K 1 007 4503599627370496 4503599627370497
           9223372036854775807 8589934591g off);
accepted(policy => "quota requests=$_ per=day;") for qw(1 3000 5k off);
accepted(policy => "quota bytes=$_ per=day;")
    for qw($limit ${limit} $arg_n$arg_unit ${arg_n}m 1${arg_zeros}k);
accepted(policy => "quota bytes=1g per=$_;")
    for qw(hour day week month 1s 90s 1m 90m 1h 24h 1d 30d 1w 400d 9600h);
accepted(policy => 'quota bytes=1g "per=1h 30m" name=session;');
accepted(policy => "quota bytes=1g per=$_ offset=9h;")
    for qw(hour day week month);
accepted(policy => "quota bytes=1g per=day offset=$_;")
    for qw(0 -0 9h -5h 5h30m -9h30m 30m 23h59m -23h59m59s 86399 86399s
           -86399s);
accepted(policy => "quota per=day name=a bytes=1g offset=9h;");
accepted(policy => "quota bytes=1g per=day name=$_;")
    for 'a', 'A-1_b', '0', 'a' x 32;

for my $n (5, 8, 9, 32) {
    accepted(policy => join('', map { "quota bytes=1g per=${_}h;\n" } 1 .. $n),
             "$n quotas in a policy");
}

accepted(policy => join('', "quota bytes=1g per=day;\n",
                        map { "quota bytes=1g per=day key=\$arg_$_ name=k$_;\n"
                        } 1 .. 7),
         'a quota of the user and 7 of keys of their own');
accepted(policy => "quota bytes=1g per=day key=pool;\n"
                   . "quota requests=10 per=1h key=pool;\n"
                   . 'quota bytes=1g per=week key="$gate_user:$arg_a";',
         'keys without and with variables, one of them twice');

accepted(policy => $_)
    for '', 'certificate required;', 'certificate optional;',
        'certificate off;', 'allow_country JP;', 'allow_country jp De;',
        'allow_country unknown;', 'deny_country JP unknown;',
        'allow_country continent:EU any;', 'deny_country continent:as;',
        'allow_country $arg_a JP;', 'deny_country "$arg_a,DE" continent:EU;',
        'allow_network 192.0.2.1 198.51.100.0/24 2001:db8::/32 ::1;',
        "allow_network 0.0.0.0/0;\nallow_network ::/0;",
        "allow_country JP;\nallow_country DE;\ndeny_country FR;\n"
        . 'deny_country unknown;',
        'lease 1;', 'lease 64m idle=1s;', 'lease 4m idle=10m;',
        'lease 4m idle=1500ms;', 'store_down deny;', 'store_down allow=64k;',
        'store_down allow=1;', 'overrun refuse;', 'overrun finish;',
        'overrun slow=64k;', 'upgrade refuse;', 'upgrade allow;',
        'status quota=503;',
        'status certificate=401 country=451 quota=404 unavailable=500;',
        "status quota=400;\nstatus unavailable=599;",
        'unusual_country off;', 'status unusual_country=451;',
        'anonymous_network off;', 'anonymous_network off vpn;',
        'status anonymous_network=451;',
        'max_speed off;', 'status speed=451;';
accepted(policy => "deny_country $all;", 'all countries in one line');

$t->write_file('ca.crl', $t->crl('ca'));
$t->write_file('ca.der', $t->crl('ca', der => 1));
$t->write_file('prints', "# one\r\n\n" . 'AB:' x 31 . "cd\n"
                         . 'sha256 Fingerprint=' . 'ef' x 32);

accepted(policy => $_)
    for (map { "certificate $_;" }
             'required eku=clientAuth', 'optional eku=1.3.6.1.5.5.7.3.4',
             'required max_age=1s', 'required max_age=1y',
             'required min_key=rsa:2048', 'required min_key=ec:384,rsa:1',
             'optional min_key=ec:256 max_age=400d eku=clientAuth'),
        'project $uri;', 'project one;', 'require $gate_user "$uri$arg_a";',
        'certificate_header $http_client_cert trusted=192.0.2.1 ca=ca.pem;',
        "certificate_header \$http_x_forwarded_client_cert ca=$t->{dir}/ca.pem\n"
        . 'trusted=192.0.2.0/24,2001:db8::/32,unix: trusted=::1 '
        . 'chain=$http_client_cert_chain;',
        'identity_header X-Auth-User $gate_user;',
        'identity_header Client-Cert $gate_client_cert$gate_client_cert_chain;',
        "identity_header a a;\nidentity_header x_b \"\$uri,\$arg_a\";\n"
        . 'identity_header 1 $gate_project;',
        'issuer CN=ca;', "issuer CN=ca 'CN=a\\, b+OU=c,O=example\\, inc';",
        "issuer CN=ca;\nissuer 2.5.4.3=ca;", 'fingerprints prints;',
        'crl ca.crl;', "crl ca.crl ca.der;\ncrl $t->{dir}/ca.crl;\n"
                       . 'crl_expired allow;',
        "crl ca.der;\ncrl_expired deny;\ncertificate optional;";

accepted(http => "gate_redis { server unix:/a; }\ngate_policy abroad {\n"
                 . "user \$gate_cert_cn;\n$_;\n}")
    for 'unusual_country report', 'unusual_country deny',
        'unusual_country deny learn=0d remember=400d min_days=31',
        'unusual_country report learn=2w min_days=1 remember=1d',
        'unusual_country deny learn=24h',
        "usual_country JP continent:EU unknown;\nunusual_country deny",
        "unusual_country deny;\nusual_country \$arg_a;\nusual_country DE";

Test::Gate::Countries::database("$t->{dir}/anonymous.mmdb", networks => {
    '192.0.2.0/24' => { is_anonymous => 1 } });

accepted(http => "gate_geoip anonymous.mmdb;\ngate_policy hidden {\n$_;\n}")
    for map { "anonymous_network $_" } 'report', 'deny', 'deny vpn',
        'report hosting tor proxy vpn';

Test::Gate::Countries::database("$t->{dir}/city.mmdb", networks => {
    '192.0.2.0/24' => { location => { latitude => 1, longitude => 2 } } });

accepted(http => "gate_geoip city.mmdb;\ngate_redis { server unix:/a; }\n"
                 . "gate_policy fast {\nmax_speed $_;\nuser \$gate_cert_cn;\n}")
    for '900km/h report', '1km/h deny', '100000km/h deny min_distance=0km',
        '900km/h off min_distance=20000km';

# words of gate_redis

accepted(redis => $_)
    for 'server 127.0.0.1:6379;', 'server 127.0.0.1;', 'server [::1]:6379;',
        'server localhost:6379;', 'server localhost;', 'server unix:/a.sock;',
        "server unix:/a.sock;\nserver 127.0.0.1:6379;", 'server 1.2.3.4:65535;',
        "server unix:/a;\npassword_file password;",
        "server unix:/a;\npassword_file $t->{dir}/password.crlf;",
        "server unix:/a;\npassword_file password;\nusername gate;",
        "server unix:/a;\nconnect_timeout 250ms;\ntimeout 1m;",
        "server unix:/a;\ndatabase 15;\nprefix a:b/c-d;",
        (map { "server unix:/a;\nusage_keep $_;" }
             qw(off 1d 86400 24h 90d 400d 10y)),
        "server unix:/a;\nprefix " . 'x' x 128 . ';';

# gate_audit

accepted(http => "gate_audit $_;")
    for 'off', 'file audit.json', 'file audit.json events=all',
        'file audit.json events=refused,download,state chain=on anchor=100ms',
        'file audit.json chain=on', 'file audit.json chain=off',
        'file /dev/null events=state', 'syslog:server=unix:/nosuch',
        'syslog:server=127.0.0.1,tag=gate,facility=local0,severity=info '
        . 'events=refused';
accepted(http => "gate_redis { server unix:/a; }\ngate_audit redis $_;")
    for '', 'maxlen=1000', 'maxlen=5m events=download';
accepted(http => "gate_audit file a.json;\ngate_audit file b.json;\n"
                 . "server { server_name a; gate_audit off; }\n"
                 . "server { server_name b; gate_audit file a.json; }",
         'gate_audit at several levels');

# the flat directives

accepted(http => $_)
    for 'gate_zone 64k;', 'gate_zone 1M;', 'gate_zone 256m;',
        'gate_dry_run on;', 'gate_ratelimit_headers on;',
        'gate_ratelimit_headers off;', 'gate_log_level info;', 'gate_log_level notice;',
        'gate_log_level warn;', 'gate_log_level error;', 'gate staff;',
        'gate off;', 'gate_geoip more.mmdb;', 'gate_policy empty { }',
        'gate_policy abcdefghijklmnopqrst { }', 'gate_policy 業務 { }',
        'gate_policy keys { user $gate_cert_upn "$gate_cert_org $gate_cert_cn"'
        . ' nobody; }';
accepted(server => $_)
    for 'gate staff;', 'gate off;', 'gate "other";',
        "gate_dry_run on;\nlocation /a { gate_dry_run off; }",
        "gate_ratelimit_headers on;\n"
        . 'location /a { gate_ratelimit_headers off; }',
        "gate_log_level error;\nlocation /a { gate_log_level info; }",
        "location /a {\ngate off;\nlocation /a/b { gate staff; }\n}",
        'gate_drop_country KP;', "gate_drop_country kp RU;\ngate russia;",
        "gate_drop_country any;\ngate nobody;", 'gate_drop_country unknown;',
        "gate_drop_country RU;\nlocation /a { gate russia; gate_dry_run off; }\n"
        . 'location /b { gate off; gate_dry_run on; }';

is(complaint($t->conf), '', 'nothing of the gate but a database');
is(complaint($t->conf =~ s/ gate_geoip [^\n]+//r), '', 'nothing of the gate');

# all of it at work: a policy after its server, several databases, and a Redis
# that wants to know who asks, with the rights that the README gives

my $port = $t->port;
my $redis = $t->redis(port => $port);

$redis->command(qw(ACL SETUSER gate on >secret ~work:* +auth +select
                   +client|setname +eval +evalsha +time +info +hgetall +hmget
                   +hset +hlen +hdel +expireat));

$t->nginx($t->conf(http => <<"END", server => <<'END2') =~ s/^\}\n\z/<<END3/mer);
    gate_geoip  more.mmdb;
    gate_geoip  %%DIR%%/most.mmdb;

    gate_redis {
        server         127.0.0.1:$port;
        username       gate;
        password_file  password.crlf;
        database       3;
        prefix         work;
    }
END
        gate        later;
        add_header  Country $gate_country always;
END2
    gate_policy later {
        user          \$gate_cert_email;
        deny_country  FR;
        quota         bytes=1g per=day offset=9h;
    }
}
END3

for ([ $japan, 200, 'JP', 'the first database is believed' ],
     [ $germany, 200, 'DE', 'the second, where the first has nothing' ],
     [ $france, 403, 'FR', 'the third, where the first has no country' ],
     [ $germany6, 200, 'DE', 'the third, for IPv6' ],
     [ $nowhere, 200, 'unknown', 'none of them' ])
{
    my ($from, $status, $country, $what) = @$_;

    my $r = $t->get('/report', cert => 'alice', from => $from);
    is("$r->{status} $r->{headers}{country}", "$status $country", $what);
}

$redis->command('SELECT', 3);

my %account;

$t->wait_for(sub {
    %account = @{ $redis->command('HGETALL', 'work:{alice@example.jp}:later') };
    return grep { /^bytes-day:\d+$/ && $account{$_} == 4000 } keys %account;
}, 8);

is_deeply([ map { $account{$_} } grep { /^bytes-day:\d+$/ } keys %account ],
          [ 4000 ],
          'host:port, username, password, database, prefix: it is counted');

$t->done;

# One assertion: nginx -t says nothing of it but that it is right.

sub accepted {
    my ($place, $lines, $what) = @_;

    my %o = (http => '', policy => '', redis => '', server => '',
             $place => $lines);

    $o{redis} = "gate_redis {\n$o{redis}\n}" if $o{redis};

    is(complaint($t->conf(http => <<"END", server => $o{server})), '',
    map \$gate_cert_email \$limit { default 1g; }

    gate_policy staff {
        user  \$gate_cert_email;
        $o{policy}
    }
    gate_policy other { }
    gate_policy russia { deny_country RU KP; }
    gate_policy nobody { deny_country any; }
    $o{redis}
    $o{http}
END
       $what // "$place: " . $lines =~ s/\n/ /gr);
}

sub complaint {
    my ($conf) = @_;

    my ($code, $said) = $t->nginx_t($conf);
    my @bad = $said =~ /\[(?:warn|error|crit|alert|emerg)\].*/g;

    return $code ? join "\n", "code $code", @bad : "@bad";
}
