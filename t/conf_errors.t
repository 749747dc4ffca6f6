#!/usr/bin/perl

# A fault of nginx.conf is found by "nginx -t", which names the word that is
# wrong, the file and the line.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $country = $t->read_file('country.mmdb');

$t->write_file('half.mmdb', substr $country, 0, length($country) / 2);
$t->write_file('cut.mmdb', substr $country, 0, length($country) - 20);
$t->write_file('text.mmdb', "JP 203.0.113.0/24\n" x 1000);
$t->write_file('deep.mmdb', Test::Gate::Countries::crafted(
                                Test::Gate::Countries::nested(400_000)));
$t->write_file('nested.mmdb',
               Test::Gate::Countries::crafted("\xe0",
                   metadata => Test::Gate::Countries::nested(60_000)));
$t->write_file('useless.mmdb',
               Test::Gate::Countries::crafted("\xe1\x41a\x42JP"));
$t->write_file('old.mmdb',
               Test::Gate::Countries::crafted("\xe1\x47country\x42JP")
               =~ s/version\xa1\x02/version\xa1\x01/r);
$t->write_file('empty', '');
$t->write_file('blank', "\nsecret\n");
$t->write_file('long', 'x' x 5000);
$t->write_file('password', "secret\n");
$t->write_file('prints', "# nobody\n");
$t->ca($_) for qw(ca another);
$t->write_file('ca.crl', $t->crl('ca'));
$t->write_file('another.crl', $t->crl('another'));
$t->write_file('unreadable', "secret\n");
chmod 0, "$t->{dir}/unreadable";

# A place, a line that is wrong there, and what is said of it.  Where a fault is
# seen only later, "# here" marks the line it must be found in.

my $most = join '', map { "quota bytes=1g per=${_}s;\n" } 1 .. 32;
my $keys = join '', map { "quota bytes=1g per=day key=\$arg_$_ name=$_;\n" }
                        1 .. 7;

my @faults = (

    # words

    [ policy => 'quotas bytes=1g per=day;', 'unknown word "quotas"' ],
    [ policy => 'use $gate_cert_cn;', 'unknown word "use"' ],
    [ policy => 'server unix:/redis.sock;', 'unknown word "server"' ],
    [ policy => 'gate off;', 'unknown word "gate"' ],
    [ policy => 'lease { }', 'unexpected "{"' ],
    [ redis => 'servers localhost;', 'unknown word "servers"' ],
    [ redis => 'user name;', 'unknown word "user"' ],
    [ http => 'gate_police staff { }', 'unknown directive "gate_police"' ],

    # counts of arguments

    (map { [ policy => "$_;", qq(invalid number of arguments in "$_") ] }
         qw(user project require certificate issuer fingerprints crl crl_expired
            allow_country deny_country
            allow_network
            anonymous_network unusual_country usual_country max_speed quota
            lease
            store_down overrun upgrade status identity_header certificate_header)),
    [ policy => 'identity_header X-Auth-User $gate_user 1;',
      'invalid number of arguments in "identity_header"' ],
    (map { [ policy => "$_ 1 2;", qq(invalid number of arguments in "$_") ] }
         qw(project fingerprints crl_expired store_down overrun upgrade)),
    [ policy => 'require $gate_user 1;', 'no variable in "1" of "require"' ],
    [ policy => 'require $nowhere;', 'unknown "nowhere" variable', 'nowhere' ],
    [ policy => 'lease 1m idle=1s 2m;',
      'invalid number of arguments in "lease"' ],
    (map { ([ redis => "$_;", qq(invalid number of arguments in "$_") ],
            [ redis => "$_ 1 2;", qq(invalid number of arguments in "$_") ]) }
         qw(server username password_file database prefix usage_keep
            connect_timeout timeout)),
    (map { ([ http => "$_;", qq(invalid number of arguments in "$_") ],
            [ http => "$_ 1 2;", qq(invalid number of arguments in "$_") ]) }
         qw(gate gate_dry_run gate_log_level gate_ratelimit_headers
            gate_zone)),
    [ http => 'gate_geoip;', 'invalid number of arguments in "gate_geoip"' ],
    [ http => 'gate_geoip 1 2 3;',
      'invalid number of arguments in "gate_geoip"' ],
    [ http => 'gate_policy { }', 'invalid number of arguments in "gate_policy"'
      ],
    [ http => 'gate_policy a b { }',
      'invalid number of arguments in "gate_policy"' ],
    [ http => 'gate_policy a;', 'directive "gate_policy" has no opening "{"' ],
    [ http => 'gate_redis a { }', 'invalid number of arguments in "gate_redis"'
      ],

    # duplicates

    (map { [ policy => "$_;\n$_; # here", '"' . (split ' ')[0]
                                              . '" is duplicate' ] }
         'certificate off', 'lease 1m', 'store_down deny', 'overrun refuse',
         'upgrade refuse', 'unusual_country off', 'anonymous_network off',
         'max_speed off', 'project $uri'),
    [ policy => 'user $gate_cert_cn;', '"user" is duplicate' ],
    (map { [ redis => "$_;\n$_; # here", '"' . (split ' ')[0]
                                             . '" is duplicate' ] }
         'username a', 'password_file password', 'database 1', 'prefix gate',
         'usage_keep 30d', 'usage_keep off',
         'connect_timeout 1s', 'timeout 1s'),
    (map { [ http => "$_;\n$_; # here", '"' . (split ' ')[0]
                                            . '" directive is duplicate' ] }
         'gate_dry_run on', 'gate_log_level warn',
         'gate_ratelimit_headers on'),
    (map { [ http => "$_;\n$_; # here", '"' . (split ' ')[0]
                                            . '" directive is duplicate' ] }
         'gate staff', 'gate_zone 1m'),
    [ http => 'gate_geoip country.mmdb;',
      "geo database \"$t->{dir}/country.mmdb\" is duplicate" ],
    [ http => "gate_redis { server unix:/a; }\ngate_redis { # here\n}",
      '"gate_redis" directive is duplicate' ],
    [ http => 'gate_policy staff { }', 'duplicate "gate_policy" "staff"' ],

    # policies

    [ http => 'gate nobody;', 'no "gate_policy" "nobody" is defined' ],
    [ server => 'gate nobody;', 'no "gate_policy" "nobody" is defined' ],
    [ server => "location /a {\ngate nobody; # here\n}",
      'no "gate_policy" "nobody" is defined' ],
    [ server => 'gate Staff;', 'no "gate_policy" "Staff" is defined' ],
    [ server => 'gate "";', 'no "gate_policy" "" is defined' ],
    [ http => 'gate_policy off { }', 'invalid policy name "off"' ],
    [ http => 'gate_policy "" { }', 'invalid policy name ""' ],
    [ http => 'gate_policy a/b { }', 'invalid policy name "a/b"' ],
    [ http => 'gate_policy abcdefghijklmnopqrstu { }',
      'invalid policy name "abcdefghijklmnopqrstu"' ],
    [ http => "gate_policy other {\nquota bytes=1g per=day;\n} # here",
      'no "user" is defined for the quotas of "gate_policy" "other"' ],

    # a load balancer in front

    (map { [ policy => "certificate_header $_->[0];", $_->[1] ] }
         [ '$http_client_cert', '"certificate_header" must have "trusted=", '
           . 'whose header is believed' ],
         [ '$http_client_cert trusted=192.0.2.1',
           '"certificate_header" must have "ca=", the CAs of the clients' ],
         [ '$http_client_cert trusted=192.0.2.1 ca=',
           'invalid or duplicate parameter "ca="' ],
         [ '$http_a trusted=::1 ca=ca.pem ca=ca.pem',
           'invalid or duplicate parameter "ca=ca.pem"' ],
         [ '$http_a trusted=::1 ca=ca.pem $http_b',
           'invalid or duplicate parameter "$http_b"' ],
         [ '$http_a chain=$http_b chain=$http_b',
           'invalid or duplicate parameter "chain=$http_b"' ],
         (map { [ "\$http_a trusted=$_ ca=ca.pem", 'invalid "trusted=' ] }
              '', 'lb.example', '192.0.2.1,', '192.0.2.1,,::1', '192.0.2.0/33',
              '0.0.0.0/0', '::1,::/0', 'unix:/a', '192.0.2.1:80'),
         (map { [ "$_ trusted=::1 ca=ca.pem",
                  qq(invalid value "$_" in "certificate_header") ],
                [ "\$http_a trusted=::1 ca=ca.pem chain=$_",
                  qq(invalid value "$_" in "certificate_header") ] }
              'Client-Cert', '$ssl_client_cert', '$http_', '$http_Client',
              '$http_a$http_b', '${http_a}', '"$http_a b"' =~ s/"//gr
                                             =~ s/ /-/r),
         [ '$http_a trusted=::1 ca=nosuch.pem', 'no certificates of CAs could '
           . "be read from \"$t->{dir}/nosuch.pem\"" ],
         [ '$http_a trusted=::1 ca=password', 'no certificates of CAs could '
           . "be read from \"$t->{dir}/password\"" ]),
    [ policy => "certificate_header \$http_a trusted=::1 ca=ca.pem;\n"
                . 'certificate_header $http_a trusted=::1 ca=ca.pem; # here',
      '"certificate_header" is duplicate' ],
    [ http => "gate_policy behind {\ncertificate off;\n"
              . "certificate_header \$http_a trusted=::1 ca=ca.pem;\n} # here",
      '"certificate_header" asks for certificates, but "certificate" is "off"'
      . ' in "gate_policy" "behind"' ],

    # headers for the backend

    (map { [ policy => "identity_header '$_' \$gate_user;",
             qq(invalid name "$_" in "identity_header") ] }
         '', 'X Auth', 'X-Auth:', '-', '__', "X-\xc3\xa4", 'X(a)'),
    (map { [ policy => "identity_header $_->[0] \$gate_user;",
             qq("$_->[0]" in "identity_header" is the header "$_->[1]", which )
             . 'nginx itself uses' ] }
         [ 'Host', 'Host' ], [ 'connection', 'Connection' ],
         [ 'Content_Length', 'Content-Length' ],
         [ 'Transfer-Encoding', 'Transfer-Encoding' ],
         [ 'Authorization', 'Authorization' ], [ 'COOKIE', 'Cookie' ],
         [ 'X.Forwarded.For', 'X-Forwarded-For' ], [ 'te', 'TE' ],
         [ 'Trailer', 'Trailer' ], [ 'Upgrade', 'Upgrade' ]),
    [ policy => "identity_header X-Auth-User a;\n"
                . 'identity_header x_authuser b; # here',
      'duplicate "identity_header" "x_authuser"' ],
    [ policy => 'identity_header X-Auth-User $nosuch; #',
      'unknown "nosuch" variable', 'nowhere' ],

    # certificates

    [ policy => 'certificate perhaps;', '"perhaps" in "certificate"' ],
    [ policy => 'certificate eku=clientAuth;',
      '"eku=clientAuth" in "certificate"' ],
    (map { [ policy => "certificate required $_;",
             qq(invalid or duplicate parameter "$_" in "certificate") ] }
         qw(perhaps optional key=1 EKU=clientAuth)),
    (map { [ policy => "certificate required $_ $_;",
             qq(invalid or duplicate parameter "$_" in "certificate") ] }
         qw(eku=clientAuth max_age=1d min_key=rsa:2048)),
    (map { [ policy => "certificate required $_;",
             qq(invalid "$_" in "certificate", it must be ) ] }
         'eku=clientAuth,emailProtection', 'min_key=rsa:2048,',
         'min_key=rsa:2048,rsa:3072',
         qw(eku= eku=nosuch eku=1.2.x
            max_age= max_age=0 max_age=-1d max_age=x max_age=500ms
            max_age=99999999999999999999
            min_key= min_key=2048 min_key=rsa min_key=rsa: min_key=rsa:x
            min_key=rsa:0 min_key=rsa:65537 min_key=dsa:2048
            min_key=ec:-256)),
    [ policy => 'certificate off min_key=rsa:2048;',
      '"min_key=rsa:2048" in "certificate off" asks for what is not' ],
    (map { [ policy => "issuer $_;", 'invalid DN' ],
           [ policy => "issuer CN=ca $_;", 'invalid DN' ] }
         '""', 'ca', '/CN=ca', '"CN = ca"', '"CN=ca, O=example"', 'CN=ca,',
         '"CN=ca,O=example "', "'CN=ca\\\\'", '=ca', 'CN=ca,O'),
    [ http => "gate_policy other {\nissuer CN=ca;\ncertificate off;\n} # here",
      '"issuer" asks for certificates, but "certificate" is "off"' ],
    [ http => "gate_policy other {\nfingerprints prints;\ncertificate off;\n"
              . '} # here',
      '"fingerprints" asks for certificates, but "certificate" is "off"' ],
    [ policy => "fingerprints prints;\nfingerprints prints; # here",
      '"fingerprints" is duplicate' ],
    [ policy => 'fingerprints nosuch;',
      "open() \"$t->{dir}/nosuch\" failed (2: No such file" ],
    [ policy => 'fingerprints docs;', "\"$t->{dir}/docs\"" ],
    [ policy => 'fingerprints password;', "\"$t->{dir}/password\"" ],
    [ policy => 'crl nosuch;',
      "open() \"$t->{dir}/nosuch\" failed, in \"crl\" in", 'nowhere' ],
    [ policy => 'crl docs;', "\"$t->{dir}/docs\" is not a regular file" ],
    [ policy => 'crl ca.crl password;',
      "CRL \"$t->{dir}/password\" has no CRL in it" ],
    [ policy => "crl ca.crl; # here\ncrl another.crl;",
      "\"$t->{dir}/another.crl\" cannot be used: that of \"CN=another\" is "
      . 'signed by no CA that is known here or stands in the file' ],
    [ policy => "crl ca.crl;\ncrl_expired perhaps; # here",
      'invalid value "perhaps" in "crl_expired"' ],
    [ policy => "crl ca.crl;\ncrl_expired deny;\ncrl_expired deny; # here",
      '"crl_expired" is duplicate' ],
    [ http => "gate_policy other {\ncrl_expired allow;\n} # here",
      'no "crl" is defined for "crl_expired" in "gate_policy" "other"' ],
    [ http => "gate_policy other {\ncrl ca.crl;\ncertificate off;\n} # here",
      '"crl" asks for certificates, but "certificate" is "off"' ],

    # quotas

    [ policy => 'quota per=day;', '"quota" has no unit' ],
    [ policy => 'quota bytes=1g;', '"quota" has no window' ],
    [ policy => 'quota bytes=1g per=;', '"quota" has no window' ],
    [ policy => 'quota files=10 per=day;', 'invalid parameter "files=10"' ],
    [ policy => 'quota 1g per=day;', 'invalid parameter "1g"' ],
    [ policy => 'quota bytes=1g requests=10 per=day;',
      'duplicate parameter "requests=10"' ],
    (map { [ policy => "quota bytes=1g per=day $_ $_;",
             qq(duplicate parameter "$_") ] }
         qw(bytes=1g per=day offset=1h name=a key=$gate_cert_cn)),
    (map { [ policy => "quota bytes=$_ per=day;",
             qq(invalid limit "$_" of bytes) ] }
         '', qw(0 0k -1 -1k k 1t 1.5g 12x x12 abc Off off1
                9223372036854775808 99999999999999999999 8589934592g
                9999999999999g)),
    [ policy => 'quota requests=0 per=day;', 'invalid limit "0" of requests' ],
    [ policy => 'quota bytes=$nosuch per=day; #', 'unknown "nosuch" variable',
      'nowhere' ],
    (map { [ policy => "quota bytes=1g per=$_;",
             qq(invalid window "per=$_") ] }
         qw(fortnight 0 0s -1h 401d 34560001s 1x hours Day 500ms
            99999999999999999999s)),
    (map { [ policy => "quota bytes=1g per=day offset=$_;",
             qq(invalid "offset=$_") ] }
         '', qw(25h 24h -24h -25h 9x -- east - --1h 99999999999999999999h)),
    [ policy => 'quota bytes=1g per=1h offset=9h;',
      '"offset=9h" is for calendar windows only' ],
    [ policy => "quota bytes=1g per=day;\nquota bytes=2g per=day; # here",
      'duplicate quota "bytes-day" in policy "staff"' ],
    [ policy => "quota bytes=1g per=day name=a;\n"
                . "quota requests=2 per=1h name=a; # here",
      'duplicate quota "a" in policy "staff"' ],
    [ policy => "quota bytes=1g per=day key=\$arg_a;\n"
                . "quota bytes=2g per=day; # here",
      'duplicate quota "bytes-day" in policy "staff"' ],
    [ policy => 'quota bytes=1g per=day name=;', 'invalid name ""' ],
    [ policy => 'quota bytes=1g per=day "name=a b";', 'invalid name "a b"' ],
    [ policy => 'quota bytes=1g per=day name=a:b;', 'invalid name "a:b"' ],
    [ policy => 'quota bytes=1g per=day name=#a;', 'invalid name "#a"' ],
    [ policy => 'quota bytes=1g per=day name=' . 'a' x 33 . ';',
      'invalid name "' . 'a' x 33 . '"' ],
    [ policy => "${most}quota bytes=1g per=33s; # here",
      '"quota" is given too often' ],
    [ policy => "quota bytes=1g per=day;\n${keys}"
                . 'quota bytes=1g per=day key=$arg_8 name=8; # here',
      '"quota" is given too often, or with too many keys' ],

    # countries

    (map { ([ policy => "allow_country $_;",
              qq(invalid country "$_" in "allow_country") ],
            [ policy => "deny_country JP $_;",
              qq(invalid country "$_" in "deny_country") ]) }
         'J', 'JPN', 'J1', '--', 'JP,DE', 'Unknown', 'Any', 'continent',
         'continent:', 'continent:XX', 'continent:EUR', 'Continent:EU'),
    [ policy => 'allow_country "";', 'invalid country "" in "allow_country"' ],
    [ policy => "allow_country \xc3\x84;", "invalid country \"\xc3\x84\"" ],
    [ policy => 'allow_country $nosuch; #', 'unknown "nosuch" variable',
      'nowhere' ],
    (map { [ policy => "allow_network 192.0.2.1 $_;",
             qq(invalid network "$_" in "allow_network") ] }
         qw(office 192.0.2 192.0.2.0/33 192.0.2.256 2001:db8::/129 $remote_addr
            -)),

    (map { [ policy => "unusual_country $_;",
             qq(invalid value "$_" in "unusual_country") ] }
         qw(on Deny learn=14d)),
    (map { [ policy => "unusual_country deny $_;",
             qq(invalid parameter "$_" in "unusual_country") ] }
         qw(report learn=-1d learn=1h learn=36h learn=401d learn= learn=x
            remember=0 remember=401d remember=1h min_days=0 min_days=32
            min_days=x min_days= min_days=-1 days=3)),
    [ policy => 'unusual_country deny min_days=3 remember=2d;',
      '"min_days" are more than "remember" has in "unusual_country"' ],
    [ policy => "unusual_country deny;\nusual_country J; # here",
      'invalid country "J" in "usual_country"' ],
    [ http => "gate_policy other {\nusual_country JP;\n} # here",
      'no "unusual_country" is defined for the "usual_country" of '
      . '"gate_policy" "other"' ],
    [ http => "gate_policy other {\nunusual_country deny;\n} # here",
      'no "user" is defined for the "unusual_country" of "gate_policy" '
      . '"other"' ],

    (map { [ policy => "anonymous_network $_;",
             qq(invalid value "$_" in "anonymous_network") ] }
         qw(on Deny vpn)),
    (map { [ policy => "anonymous_network deny $_;",
             qq(invalid kind "$_" in "anonymous_network") ] }
         qw(VPN relay report any anonymous), "vpn,tor"),
    [ policy => 'anonymous_network deny tor vpn tor;',
      'duplicate kind "tor" in "anonymous_network"' ],

    (map { [ policy => "max_speed $_ deny;",
             qq(invalid value "$_" in "max_speed") ] }
         qw(900 0km/h -1km/h 100001km/h km/h 9x0km/h 900kmh 900mph on off deny
            99999999999999999999km/h)),
    [ policy => 'max_speed 900km/h;', '"max_speed" must have a speed' ],
    [ policy => 'max_speed on;', 'invalid value "on" in "max_speed"' ],
    [ policy => 'max_speed 900km/h deny min_distance=1km 1;',
      '"max_speed" must have a speed' ],
    [ policy => 'max_speed 900km/h Deny;', 'invalid value "Deny" in '
                                           . '"max_speed"' ],
    (map { [ policy => "max_speed 900km/h deny $_;",
             qq(invalid parameter "$_" in "max_speed") ] }
         qw(min_distance= min_distance=km min_distance=100
            min_distance=20001km min_distance=-1km distance=1km 100km)),
    [ http => "gate_policy other {\nmax_speed 900km/h deny;\n} # here",
      'no "user" is defined for the "max_speed" of "gate_policy" "other"' ],

    # countries that are dropped

    [ http => 'gate_drop_country KP;',
      '"gate_drop_country" directive is not allowed here' ],
    [ server => "location /a {\ngate_drop_country KP; # here\n}",
      '"gate_drop_country" directive is not allowed here' ],
    [ server => 'gate_drop_country;',
      'invalid number of arguments in "gate_drop_country"' ],
    (map { [ server => "gate_drop_country KP $_;",
             qq(invalid country "$_" in "gate_drop_country") ] }
         'JPN', '$arg_a', 'KP,RU', 'continent:XX'),
    (map { [ server => "gate_drop_country KP; # here\ngate japan;", $_,
             'nowhere' ] }
         '"gate_policy" "japan" in ',
         ' does not refuse all of "KP", which "gate_drop_country" in '),
    [ server => "gate_drop_country KP RU any;\ngate russia;",
      ' does not refuse all of "any", which "gate_drop_country" in ',
      'nowhere' ],
    [ server => "gate russia;\ngate_drop_country KP;\n"
                . 'location /a { location /a/b { gate japan; } }',
      '"gate_policy" "japan" in ', 'nowhere' ],
    [ server => "gate somebody;\ngate_drop_country KP;",
      '"gate_policy" "somebody" in ', 'nowhere' ],
    [ server => "gate russia; # here\ngate_dry_run on;\n"
                . 'gate_drop_country KP;', ' is a dry run and refuses nobody ',
      'nowhere' ],
    [ server => "gate russia;\ngate_drop_country KP;\n"
                . 'location /a { gate_dry_run on; }',
      '"gate russia" in ', 'nowhere' ],
    [ server => "gate_drop_country KP;\nlisten unix:a proxy_protocol;",
      ' cannot be used with "listen unix:', 'nowhere' ],

    # the other words of a policy

    (map { [ policy => "lease $_;", qq(invalid size "$_" of "lease") ] }
         qw(0 -1 off 4x 99999999999999999999)),
    (map { [ policy => "lease 4m $_;", qq(invalid "$_" of "lease") ] }
         qw(idle=0 idle=999ms idle=-1 idle=perhaps idle=)),
    [ policy => 'lease 4m busy=1s;', 'invalid parameter "busy=1s"' ],
    (map { [ policy => "store_down $_;", qq("$_" in "store_down") ] }
         qw(perhaps allow allow= allow=0 allow=-1 allow=off allow=x
            allow=99999999999999999999)),
    (map { [ policy => "overrun $_;", qq("$_" in "overrun") ] }
         qw(perhaps slow slow= slow=0 slow=-1 slow=x)),
    [ policy => 'upgrade perhaps;', '"perhaps" in "upgrade"' ],
    (map { [ policy => "status $_;", qq(invalid "$_" in "status") ] }
         qw(quota quota= quota=200 quota=399 quota=600 quota=foo quota=-429
            quota=499 quota=494 foo=403 =403)),
    [ policy => 'status country=451 foo=403;', 'invalid "foo=403"' ],

    # Redis

    [ http => "gate_redis {\n} # here",
      'no "server" is defined in "gate_redis"' ],
    [ redis => "username gate;\n", 'no "password_file" is defined for '
                                   . '"username"', 'end' ],
    [ redis => 'server nosuch.invalid:6379;',
      'host not found in server "nosuch.invalid:6379"' ],
    [ redis => 'server 127.0.0.1:0;', 'invalid port in server "127.0.0.1:0"' ],
    [ redis => 'server 127.0.0.1:65536;',
      'invalid port in server "127.0.0.1:65536"' ],
    [ redis => 'server "";', 'in server ""' ],
    [ redis => 'server unix:;', 'in server "unix:"' ],
    (map { [ redis => "usage_keep $_;", qq(invalid usage_keep "$_" of )
             . '"gate_redis": it may be from 1d to 10y, or off' ] }
         qw(0 -1 1s 23h 86399 3651d 11y on 30x 1.5d)),
    (map { [ redis => "prefix $_;", qq(invalid prefix "$_") ] }
         'x' x 129, "caf\xc3\xa9"),
    (map { [ redis => qq(prefix "$_";), qq(invalid prefix "$_") ] }
         '', 'a b', 'a{b}', '{', '}'),
    [ redis => 'password_file nosuch;',
      "open() \"$t->{dir}/nosuch\" failed (2: No such file or directory)" ],
    [ redis => 'password_file docs;',
      "read() \"$t->{dir}/docs\" failed (21: Is a directory)" ],
    (map { [ redis => "password_file $_;",
             "no password in the first line of \"$t->{dir}/$_\"" ] }
         qw(empty blank long)),
    [ redis => 'database -1;', '"database" invalid number' ],
    [ redis => 'database x;', '"database" invalid number' ],
    [ redis => 'timeout perhaps;', '"timeout" invalid value' ],
    [ redis => 'connect_timeout -1s;', '"connect_timeout" invalid value' ],
    [ redis => qq(sentinel "";\n), '"sentinel" of "gate_redis" is empty',
      'end' ],
    [ redis => "queue 0;\n", '"queue 0" of "gate_redis" would ask nothing',
      'end' ],
    [ redis => 'wait_replicas -1;', '"wait_replicas" invalid number' ],
    [ redis => 'cluster perhaps;', 'invalid value "perhaps" in "cluster"' ],
    [ redis => "cluster on; sentinel main;\n",
      '"sentinel" and "cluster" of "gate_redis" exclude each other', 'end' ],
    [ redis => "cluster on; database 1;\n",
      '"database 1" of "gate_redis": a cluster has only database 0', 'end' ],
    [ redis => 'ssl perhaps;', 'invalid value "perhaps" in "ssl"' ],
    (map { [ redis => "$_;\n", '"' . s/ .*//r . '" has no effect in '
                                . '"gate_redis" without "ssl on"', 'end' ] }
         'ssl_name a', 'ssl_verify off', 'ssl_trusted_certificate ca.pem',
         'ssl_certificate a.crt', 'ssl_certificate_key a.key'),
    [ redis => "ssl on;\n", 'no "ssl_trusted_certificate" is defined for '
                            . '"ssl"', 'end' ],
    [ redis => "ssl on; ssl_verify off; ssl_certificate a.crt;\n",
      'no "ssl_certificate_key" is defined for "ssl_certificate"', 'end' ],
    [ redis => "ssl on; ssl_verify off; ssl_certificate_key a.key;\n",
      'no "ssl_certificate" is defined for "ssl_certificate_key"', 'end' ],
    (map { [ redis => "ssl on; ssl_trusted_certificate ca.pem;\n$_\n",
             'no "ssl_name" is defined for "ssl"', 'end' ] }
         'sentinel main;', 'server unix:/nosuch;'),

    # gate_audit

    [ http => 'gate_audit;', 'invalid number of arguments in "gate_audit"' ],
    (map { [ http => "gate_audit $_;",
             'invalid value "' . (split ' ')[0] . '" in "gate_audit"' ] }
         'on', 'file', 'files a', 'syslog', 'none'),
    (map { [ http => "gate_audit file a $_;", qq(invalid "$_" in "gate_audit") ]
           }
         'events=', 'events=none', 'events=all,', 'events=,refused',
         'events=refused;state' =~ s/;/+/r, 'chain', 'chain=yes', 'anchor=1ms',
         'anchor=99ms', 'anchor=', 'size=1m'),
    (map { [ http => "gate_audit redis $_;", qq(invalid "$_" in "gate_audit") ]
           }
         'maxlen=0', 'maxlen=999', 'maxlen=-1', 'maxlen=many', 'maxlen='),
    [ http => 'gate_audit file a maxlen=1000;',
      '"maxlen" in "gate_audit" is for "redis" only' ],
    [ http => 'gate_audit syslog:server=unix:/a chain=on;',
      '"chain" in "gate_audit" is for "file" only' ],
    [ http => 'gate_audit file a anchor=1s;',
      '"anchor" in "gate_audit" is for "chain=on" only' ],
    [ http => 'gate_audit syslog:tag=a;', 'no syslog server specified' ],
    [ http => "gate_audit file a;\ngate_audit off; # here",
      '"gate_audit" directive cannot be "off" and something else at once' ],
    [ http => "gate_audit off;\ngate_audit file a; # here",
      '"gate_audit" directive cannot be "off" and something else at once' ],
    [ http => "gate_audit file a;\ngate_audit file a events=state; # here",
      '"gate_audit" directive is duplicate' ],
    [ http => "gate_audit file a;\nserver {\ngate_audit file a chain=on; # here"
              . "\n}", '" has another "chain" elsewhere' ],
    [ http => "gate_audit redis;\nserver {\ngate_audit redis maxlen=1000; # here"
              . "\n}", '"gate_audit redis" has another "maxlen" elsewhere' ],
    [ http => "access_log a combined buffer=4k;\ngate_audit file a; # here",
      'of "gate_audit" is another log\'s file, give it one of its own' ],
    [ http => 'gate_audit redis;',
      'no "gate_redis" is defined for "gate_audit redis"' ],

    # the flat directives

    [ http => 'gate_dry_run perhaps;', 'invalid value "perhaps"' ],
    [ http => 'gate_log_level silly;', 'invalid value "silly"' ],
    [ http => 'gate_ratelimit_headers draft;', 'invalid value "draft"' ],
    (map { [ http => "gate_zone $_;",
             qq(invalid size "$_" of "gate_zone") ] }
         qw(-1 -16m off 16x 99999999999999999999)),
    (map { [ http => "gate_zone $_;",
             qq("gate_zone" of "$_" is too small) ] } qw(0 1 63k)),
    # who may change something

    [ server => 'gate_admin;', '"gate_admin" directive is not allowed here' ],
    [ server => "location /a {\ngate_admin; # here\n}",
      'must be in a location that is a prefix and ends with "/"' ],
    [ server => "location = /a/ {\ngate_admin; # here\n}",
      'must be in a location that is a prefix' ],
    [ server => "location ~ /a/ {\ngate_admin; # here\n}",
      'must be in a location that is a prefix' ],
    [ server => "location /a/ {\ngate_admin write; # here\n}",
      'invalid parameter "write" in "gate_admin", it must be "write=on" or' ],
    [ server => "location /a/ {\ngate_admin;\ngate_admin; # here\n}",
      '"gate_admin" directive is duplicate' ],
    (map { [ server => "$_\nlocation /a/ {\ngate_admin write=on; # here\n}",
             '"gate_admin write=on" in ', 'nowhere' ] }
         '', 'gate off;', "gate staff;\ngate_dry_run on;"),

    [ server => 'gate_zone 16m;', '"gate_zone" directive is not allowed here'
      ],
    [ server => 'gate_policy a { }',
      '"gate_policy" directive is not allowed here' ],

    # databases

    [ http => 'gate_geoip nosuch.mmdb;',
      "open() \"$t->{dir}/nosuch.mmdb\" failed (2: No such file" ],
    [ http => 'gate_geoip docs;', "\"$t->{dir}/docs\" is not a regular file" ],
    [ http => 'gate_geoip empty;', "\"$t->{dir}/empty\" is empty" ],
    (map { [ http => "gate_geoip $_.mmdb;",
             "\"$t->{dir}/$_.mmdb\" is truncated or not a MaxMind database" ] }
         qw(half cut text nested)),
    [ http => 'gate_geoip deep.mmdb;', "\"$t->{dir}/deep.mmdb\" is damaged: "
                                       . 'a record is nested too deep' ],
    [ http => 'gate_geoip useless.mmdb;',
      "\"$t->{dir}/useless.mmdb\" has neither countries" ],
    [ http => 'gate_geoip old.mmdb;', "\"$t->{dir}/old.mmdb\" is of a version" ],
    [ http => 'gate_geoip country.mmdb every=1s;',
      'invalid parameter "every=1s" in "gate_geoip"' ],
    (map { [ http => "gate_geoip country.mmdb reload=$_;",
             qq(invalid "reload=$_" in "gate_geoip") ] }
         '', qw(0 99ms -1 perhaps on 1x)),
);

fault(@$_) for @faults;

# nginx says what is wrong with a certificate, we say where

for ([ 'ssl_trusted_certificate nosuch', 'nosuch' ],
     [ 'ssl_verify off; ssl_certificate empty; ssl_certificate_key empty',
       'empty' ])
{
    my ($words, $file) = @$_;
    my ($code, $said) = $t->nginx_t(
        conf(redis => "ssl on; ssl_name a; $words;"));

    is($code, 1, "redis: $words");
    like($said, qr{/\Q$file\E" of "gate_redis" cannot be used in \S+:\d+$}m,
         "redis: $words: where");
}

# who is root can read everything: somebody else looks

as_nobody(sub {
    fault(redis => 'password_file unreadable;',
          "open() \"$t->{dir}/unreadable\" failed (13: Permission denied)");
    fault(http => 'gate_geoip unreadable;',
          "open() \"$t->{dir}/unreadable\" failed (13: Permission denied)");
});

# what is usual is kept in Redis

said(conf(http => "gate_policy abroad { # here\nuser \$gate_cert_cn;\n"
                  . "unusual_country report;\n}"),
     'no "gate_redis" is defined for the "unusual_country" of "gate_policy" '
     . '"abroad"', 'unusual_country without gate_redis');

# countries need a database

for my $word ('allow_country JP', 'deny_country JP', 'allow_country unknown',
              "user a;\nunusual_country report")
{
    my $conf = conf(http => "gate_policy abroad { # here\n$word;\n}")
               =~ s/ gate_geoip [^\n]+//r;

    said($conf, 'no "gate_geoip" is defined for the countries of '
                . '"gate_policy" "abroad"', "$word without gate_geoip");
}

# and one that has them

Test::Gate::Countries::database("$t->{dir}/networks.mmdb", networks => {
    '192.0.2.0/24' => { autonomous_system_number => 64496 } });

for (['allow_country JP', 'countries'], ['deny_country $arg_a', 'countries'],
     ['allow_country continent:EU', 'continents'],
     ['deny_country continent:EU', 'continents'])
{
    my ($word, $what) = @$_;

    my $conf = conf(http => "gate_policy abroad { # here\n$word;\n}")
               =~ s/country\.mmdb/networks.mmdb/r;

    said($conf, qq(no "gate_geoip" has a field for the $what of )
                . '"gate_policy" "abroad"', "$word without a field for it");
}

said(conf(server => 'gate_drop_country KP; # here') =~ s/ gate_geoip [^\n]+//r,
     'no "gate_geoip" is defined for the countries of "gate_drop_country"',
     'gate_drop_country without gate_geoip');

# so do networks that hide who uses them

for my $mode ('deny', 'report tor') {
    my $conf = conf(http => "gate_policy hidden { # here\n"
                            . "anonymous_network $mode;\n}");

    said($conf, 'no "gate_geoip" has a field for the "anonymous_network" of '
                . '"gate_policy" "hidden"',
         "anonymous_network $mode without a field for it");
    said($conf =~ s/ gate_geoip [^\n]+//r,
         'no "gate_geoip" is defined for the "anonymous_network" of '
         . '"gate_policy" "hidden"', "anonymous_network $mode without gate_geoip");
}

# journeys need both, and a database of places

my $speed = "gate_policy fast { # here\nuser a;\nmax_speed 900km/h report;\n}";

Test::Gate::Countries::database("$t->{dir}/city.mmdb", networks => {
    '192.0.2.0/24' => { location => { latitude => 1, longitude => 2 } } });

said(conf(http => $speed) =~ s/ gate_geoip [^\n]+//r,
     'no "gate_geoip" is defined for the "max_speed" of "gate_policy" "fast"',
     'max_speed without gate_geoip');
said(conf(http => $speed),
     'no "gate_geoip" has a field for the "max_speed" of "gate_policy" "fast"',
     'max_speed without a field for it');
said(conf(http => $speed) =~ s/country\.mmdb/city.mmdb/r,
     'no "gate_redis" is defined for the "max_speed" of "gate_policy" "fast"',
     'max_speed without gate_redis');

# a fault of an included file is found there

$t->write_file('included', "gate_policy other {\nlease 0;\n}\n");

my ($code, $said) = $t->nginx_t(conf(http => "include $t->{dir}/included;"));

like("$code $said", qr/^1 .*invalid size "0" [^\n]* in \S+\/included:2$/ms,
     'an included file: it is named, with its own line');

# countries that nobody drops, since another server does not

my ($rc, $words) = $t->nginx_t(conf(server => 'gate_drop_country KP; # here',
    http => "server { listen 127.0.0.1:%%PORT%% ssl; server_name a;\n"
            . "ssl_certificate localhost.pem;\n"
            . "ssl_certificate_key localhost.pem;\n}"));

is($rc, 0, 'a server that drops nobody beside one that does');
like($words, qr/\[warn\] .*:\d+ has no effect on "listen 127\.0\.0\.1:\d+"/,
     'is warned of');

# a password that all may read

my $readable = qr{/password" may be read by all: chmod o-r in \S+:\d+$}m;

for my $mode (0644, 0640) {
    chmod $mode, "$t->{dir}/password";

    my ($rc, $words) = $t->nginx_t(conf(redis => 'password_file password;'));
    my $warned = $words =~ $readable ? 'warned' : '';

    is("$rc $warned", $mode == 0644 ? '0 warned' : '0 ',
       sprintf 'a password file of mode %04o', $mode);
}

# a server that asks nobody for a certificate is warned of, once

my $warning = 'is used in a server without "ssl_verify_client"';

is(warned(conf(server => "gate staff; # here\nlocation /a { }",
               verify => 'off')), '1 here',
   'gate without ssl_verify_client: a warning, with its line');
is(warned(conf(server => "location /a {\ngate staff; # here\n}\n"
                         . "location /b { gate staff; }", verify => 'off')),
   '1 here', 'gate in locations without ssl_verify_client: one warning');
is(warned(conf(http => "gate staff; # here\nserver { listen unix:a.sock; }")),
   '1 here', 'gate in a server without TLS: a warning');
is(warned(conf(server => 'gate any;', verify => 'off',
               http => "gate_policy any { certificate off; }")), '0',
   'gate of a policy with "certificate off": no warning');
is(warned(conf(server => 'gate any;', verify => 'off',
               http => "gate_policy any { certificate_header \$http_a "
                       . "trusted=::1 ca=ca.pem; }")), '0',
   'gate of a policy with "certificate_header": no warning');
is(warned(conf(server => 'gate off;', verify => 'off')), '0',
   'gate off: no warning');
is(warned(conf(server => 'gate staff;', verify => $_)), '0',
   "ssl_verify_client $_: no warning") for qw(on optional optional_no_ca);

# servers of one address with other client CAs, and no default server that turns
# away who does not say which he means

my $differ = 'have different client CAs';
my %server = map { $_ => <<"END" } qw(ca another);
    server {
        listen                  127.0.0.1:%%PORT%% ssl http2;
        server_name             $_.example;
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/$_.pem;
        ssl_verify_client       on;
    }
END
my $rejects = <<'END';
    server {
        listen                127.0.0.1:%%PORT%% ssl http2 default_server;
        ssl_reject_handshake  on;
    }
END

for ([ 'other client CAs', 1, $server{another}, 'gate staff;' ],
     [ 'other client CAs, of servers without a gate', 0, $server{another},
       '' ],
     [ 'the same client CAs', 0, $server{ca}, 'gate staff;' ],
     [ 'other client CAs, whom nobody is asked for', 0,
       $server{another} =~ s/ssl_verify_client +on/ssl_verify_client off/r,
       'gate staff;' ],
     [ 'another address', 0, $server{another} =~ s/127\.0\.0\.1/127.0.0.2/r,
       'gate staff;' ],
     [ 'a default server that rejects', 0, "$server{another}$rejects",
       'gate staff;' ])
{
    my ($what, $warned, $http, $server) = @$_;

    my ($code, $said) = $t->nginx_t(conf(http => $http, server => $server));

    is(scalar(() = $said =~ /\[warn\] \S+ servers of "127\.0\.0\.1:\d+" $differ/g),
       $warned, "servers of one address: $what") or diag($said);
    is($code, 0, 'and nginx takes it');
}

$t->write_file('ca.crl', $t->crl('ca', after => time - 10));
like(($t->nginx_t(conf(policy => 'crl ca.crl;')))[1],
     qr/\[warn\] .*the CRL of "CN=ca" in "\S+ca\.crl" has expired/,
     'a CRL that has expired: a warning');

$t->done;

sub conf {
    my ($place, $lines, %more) = @_;

    my %o = (http => '', policy => '', redis => '', server => '',
             $place => $lines, %more);

    my $dropped = $lines =~ /gate_drop_country/ && $lines =~ /gate \w/
                  ? <<'END' : '';
    gate_policy japan { allow_country JP KP; deny_country RU; }
    gate_policy russia { allow_country RU JP; deny_country RU; }
    gate_policy somebody { allow_country JP $arg_a; }
END

    $o{redis} = <<"END" if $o{redis};
    gate_redis {
        server  unix:/redis.sock;
$o{redis}
    } # end
END

    return $t->conf(http => <<"END", server => $o{server},
    gate_policy staff {
        user  \$gate_cert_email;
$o{policy}
    }
$dropped
$o{redis}
$o{http}
END
                    verify => $o{verify});
}

sub fault {
    my ($place, $lines, $words, $where) = @_;

    my $what = (split /\n/, $lines)[-1] =~ s/ ?# here$//r;

    $where //= 'here';
    $lines =~ s/$/ # here/ unless $lines =~ /# here/ || $where ne 'here';
    $what = 'gate_redis' if $where eq 'end';
    $what = substr($what, 0, 60);

    said(conf($place, $lines), $words, "$place: $what", $where);
}

# What nginx does meanwhile it does not do as root.

sub as_nobody {
    my ($code) = @_;

    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];

    return $code->() if $> != 0;

    chown $uid, $gid, $t->{dir}, glob "$t->{dir}/*";
    chmod 0, "$t->{dir}/unreadable";
    local ($), $>) = ("$gid $gid", $uid);

    SKIP: {
        -r $t->module
            or skip 'only root can read this checkout', 2;
        $code->();
    }
}

# That nginx -t fails, and of its emerg line the words and where it is.

sub said {
    my ($conf, $words, $what, $where) = @_;

    $where //= 'here';

    my ($code, $said) = $t->nginx_t($conf);
    my ($emerg) = $said =~ /\[emerg\] (.*)/;
    my $line = line($where);

    $emerg //= "nothing";

    ok($code == 1
       && index($emerg, $words) >= 0
       && ($where eq 'nowhere' || $emerg =~ m{ in \S+/check\.conf:$line$}),
       $what)
        or diag("code $code, line $line: $emerg");
}

# The number of the line that is marked.

sub line {
    my ($mark) = @_;

    my @lines = split /\n/, $t->read_file('check.conf');

    return (grep { $lines[$_ - 1] =~ /# $mark$/ } 1 .. @lines)[0] // 0;
}

# How many warnings nginx -t says of a conf that it accepts, and whether they
# name the marked line.

sub warned {
    my ($conf) = @_;

    my ($code, $said) = $t->nginx_t($conf);
    my @warnings = $said =~ /\[warn\] (.*\Q$warning\E.*)/g;
    my $line = line('here');

    return "refused: $said" if $code;
    return scalar(@warnings) . (@warnings && $warnings[0]
                                =~ m{"gate staff" in \S+/check\.conf:$line }
                                ? ' here' : '');
}
