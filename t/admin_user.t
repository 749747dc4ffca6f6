#!/usr/bin/perl

# One user, as administrators see him: of each policy his quotas with their
# limits and use, the countries he comes from, and where he was last.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $noon = $t->noon;
my ($offset) = $noon =~ /(-?\d+)h/;

Test::Gate::Countries::write("$t->{dir}/country.mmdb",
    '203.0.113.0/24' => { country => { iso_code => 'JP' },
                          location => { latitude => 35.5, longitude => 139.5,
                                        accuracy_radius => 20 } });
$t->document('a', 1000);
$t->document('b', 500);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; }

    map \$gate_user \$limit { default 1m; alice 20k; }

    gate_policy staff {
        certificate      off;
        user             \$http_x_user;
        unusual_country  report;
        max_speed        900km/h report;
        quota            bytes=\$limit per=day $noon name=daily;
        quota            requests=100 per=1h;
        quota            documents=10 per=day $noon;
        quota            bytes=1g per=month key=\$gate_country;
    }
    gate_policy other {
        certificate  off;
        user         \$http_x_user;
        quota        requests=7 per=hour;
    }
    gate_policy certified {
        user     \$gate_cert_email;
        project  certified;
    }
END
        gate_audit redis;

        location /        { gate staff; }
        location /other/  { gate other; alias %%DIR%%/docs/; }
        location /certified/ { gate certified; alias %%DIR%%/docs/; }
        location /admin/  { gate_audit off; gate_admin;
                            allow 127.0.0.1; deny all; }
END2

my $began = time;

for my $uri ('/a', '/a', '/b', '/other/a') {
    is($t->get($uri, from => '203.0.113.5',
               headers => { 'X-User' => 'alice' })->{status}, 200, $uri);
}

# once it is quiet: what was delivered, and no more

$t->settled($redis, '{alice}:staff', 'daily', 2500);
$t->settled($redis, '{alice}:other', 'requests-hour', 1);
$t->wait_for(sub { user('alice')->{policies}[0]{countries}[0] });

my $user = user('alice');
my ($staff, $other) = @{ $user->{policies} };
my %quota = map { $_->{quota} => $_ } map { @{ $_->{quotas} } } $staff, $other;

is($user->{name}, 'alice', 'the user');
is("$staff->{policy} $other->{policy}", 'staff other', 'under each policy');
is(join(' ', sort keys %quota),
   'daily documents-day requests-1h requests-hour', 'the quotas of his');

is(join(' ', @{ $quota{daily} }{qw(unit limit used)}), 'bytes 20480 2500',
   'bytes, by the limit that he has');
is(join(' ', @{ $quota{'requests-1h'} }{qw(unit limit used)}),
   'requests 100 3', 'requests');
is(join(' ', @{ $quota{'documents-day'} }{qw(unit limit used)}),
   'documents 10 2', 'documents');
is(join(' ', @{ $quota{'requests-hour'} }{qw(unit limit used)}),
   'requests 7 1', 'of the other policy');

my $day = $began - ($began + 3600 * $offset) % 86400;

is(join(' ', @{ $quota{daily} }{qw(since until)}),
   join(' ', $day, $day + 86400), 'from midnight to midnight');

my ($country) = @{ $staff->{countries} };

is($country->{country}, 'JP', 'where he comes from');
is($country->{days}, 1, 'on one day');
is($country->{last}, int($began / 86400) * 86400, 'which is today');
ok(!$country->{confirmed}, 'nobody confirmed it');
is($other->{countries}, undef, 'the other policy does not look');
is($staff->{place}{place}, '35.5000 139.5000 20 JP', 'where he was last');
cmp_ok($staff->{place}{at}, '>=', $began, 'and when');

$redis->command('HSET', 'gate:{alice}:staff/countries', 'DE', 'always');
my ($german) = grep { $_->{country} eq 'DE' }
               @{ user('alice')->{policies}[0]{countries} };
ok($german->{confirmed}, 'a country that was confirmed');

# what he took, from usage and from the stream; and his holds

$t->certificate('alice', email => 'alice@example.jp');

my %by = (cert => 'alice', from => '203.0.113.5');

is($t->get("/certified/$_", %by)->{status}, 200, "$_, with a certificate")
    for qw(a a b);

ok($t->wait_for(sub {
       my $user = user('alice@example.jp');
       @{ $user->{documents} } == 2
       && (($user->{projects}[0] // {})->{requests} // 0) == 3;
   }), 'his documents and projects are known');

my $his = user('alice@example.jp');

is(join(', ', map { "@{$_}{qw(document project bytes requests)}" }
              @{ $his->{documents} }),
   '/certified/a certified 2000 2, /certified/b certified 500 1', 'documents');
is(join(', ', map { "@{$_}{qw(name bytes requests documents)}" }
              @{ $his->{projects} }), 'certified 2500 3 2', 'projects');

my ($certificate, @more) = @{ $his->{certificates} };

is(scalar @more, 0, 'one certificate');
is(join(' ', @{$certificate}{qw(bytes requests)}), '2500 3', 'what came by it');
like($certificate->{fingerprint}, qr/^[0-9a-f]{64}$/, 'its fingerprint');
like($certificate->{serial}, qr/^[0-9a-f:]+$/i, 'its serial number');
ok($certificate->{issuer} && $certificate->{first} le $certificate->{last},
   'its issuer, and when');
ok($his->{complete}, 'and that is all');

my $incident = decode_json(ask("/admin/v1/incident?certificate="
                               . $certificate->{fingerprint})->{body});

is($incident->{totals}{bytes}, 2500, 'an incident of that certificate');
is_deeply([ sort map { $_->{document} } @{ $incident->{rows} } ],
          [ '/certified/a', '/certified/b' ], 'by document');

is_deeply(user('bob')->{documents}, [], 'nothing of anybody else');
is_deeply($his->{holds}, [], 'nobody holds him');

$t->hold($redis, h1 => "certificate=$certificate->{fingerprint} reason=lost");
$t->hold($redis, h2 => 'user=alice@example.jp slow=1m');
$t->hold($redis, h3 => 'user=bob');
ok($t->wait_for(sub {
       join(' ', map { $_->{id} } @{ user('alice@example.jp')->{holds} })
       eq 'h1 h2';
   }), 'his holds, and those on his certificate');

# nobody, and names that are not plain

is(join(' ', map { "$_->{used}:" . ($_->{limit} // 'none') }
             @{ user('nobody')->{policies}[0]{quotas} }), '0:none 0:none 0:none',
   'of a user that nobody saw nothing is known');

for my $name ('a b', '{x}', "x\x{202e}y", 'ü' x 60, '<script>', '#a', 'a+b') {
    my $bytes = $name;

    utf8::encode($bytes);
    $t->get('/b', from => '203.0.113.5', headers => { 'X-User' => $bytes });
    ok($t->wait_for(sub {
           user($bytes)->{policies}[0]{quotas}[1]{used} == 1;
       }), 'is found by his name: ' . length $bytes);
}

# what is no question

is(ask('/admin/v1/user')->{status}, 400, 'which user?');
is(ask('/admin/v1/user?name=')->{status}, 400, 'none');
is(ask('/admin/v1/user?name=alice&only=this')->{status}, 400, 'only what?');

# what costs little

my $brief = decode_json(ask('/admin/v1/user?name=alice&only=policies')->{body});

is(join(' ', sort keys %$brief), 'holds name policies', 'only what is asked');
is(scalar @{ $brief->{policies} }, scalar @{ user('alice')->{policies} },
   'of each policy');

# a hash that somebody spoilt, and no Redis

$redis->command('SET', 'gate:{spoilt}:staff', 'x');
$redis->command('HSET', 'gate:{junk}:staff', map { ($_ => 'x' x 100) } 1 .. 99);
is(user('spoilt')->{policies}[0]{quotas}[0]{used}, 0, 'a key that is no hash');
is(user('junk')->{policies}[0]{quotas}[0]{used}, 0, 'and one full of others');

$redis->halt;
is(ask('/admin/v1/user?name=alice')->{status}, 503, 'Redis does not answer');
$redis->go_on;

$t->done;

sub ask { return $t->get($_[0]) }

sub user {
    my ($name) = @_;

    my $escaped = $name =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
    my $r = ask("/admin/v1/user?name=$escaped");

    return eval { decode_json($r->{body}) } // {};
}
