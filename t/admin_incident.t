#!/usr/bin/perl

# An incident: what was taken, by whom, document by document, is what clients
# got, to the byte.  Names of anybody's do no harm in it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX qw(strftime);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE');
$t->document("projects/$_->[0]", $_->[1])
    for [ 'runway/plan', 3000 ], [ 'runway/map', 700 ], [ 'core/net', 50_000 ];

my $redis = $t->redis;

# with the rules of the README and no more

$t->write_file('password', "secret\n");
chmod 0600, "$t->{dir}/password";
$redis->command('ACL', 'SETUSER', 'gate', split / /,
                $t->rules('secret', qr/\+evalsha|\+hlen|\+xadd|\+xrange/));

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis {
        server         unix:$redis->{socket};
        timeout        5s;
        username       gate;
        password_file  password;
    }

    map \$uri \$project { ~^/projects/(?<p>[^/]+)/ \$p; }

    gate_policy users {
        certificate   off;
        user          \$http_x_user;
        project       \$project;
        deny_country  DE;
        quota         bytes=1g per=day;
    }
END
        gate        users;
        gate_audit  redis maxlen=10000;

        location /admin/ { gate off; gate_audit off; gate_admin;
                           allow 127.0.0.1; deny all; }
END2

# user, document, from, range: what was got is summed up here

my %got;

for ([ alice => 'runway/plan' ], [ alice => 'runway/plan' ],
     [ alice => 'runway/map' ], [ bob => 'runway/map' ],
     [ bob => 'core/net' ], [ bob => 'core/net', undef, 'bytes=100-199' ],
     [ carol => 'core/net', '198.51.100.1' ], [ alice => 'nothing' ])
{
    my ($user, $name, $from, $range) = @$_;
    my $r = $t->get("/projects/$name", from => $from // '203.0.113.1',
                    headers => { 'X-User' => $user,
                                 $range ? (Range => $range) : () });
    next if $r->{status} == 403;

    my ($project) = $name =~ m{^(.*)/};

    $got{"$user|" . ($project // '') . "|/projects/$name"}
        += length $r->{body};
}

sub sum {
    my ($pattern) = @_;
    my $sum = 0;

    $sum += $got{$_} for grep { /$pattern/ } keys %got;
    return $sum;
}

# an incident: of a project, a user, a country, several of them

ok($t->wait_for(sub { incident('project=core')->{totals}{refused} }),
   'the stream has it');

for ([ 'project=runway', qr/\|runway\|/ ], [ 'user=alice', qr/^alice\|/ ],
     [ 'user=bob&project=core', qr/^bob\|core/ ], [ 'country=JP', qr/^/ ])
{
    my ($query, $pattern) = @$_;
    my $i = incident($query);
    my %sums;

    $sums{ join '|', map { $_ // '' } @$_{qw(user project document)} }
        += $_->{bytes} for @{ $i->{rows} };
    $sums{$_} or delete $sums{$_} for keys %sums;

    my %want = map { $_ => $got{$_} } grep { /$pattern/ } keys %got;

    is_deeply(\%sums, \%want, "$query: each document, to the byte");
    is($i->{totals}{bytes}, sum($pattern), "$query: and all of it");
}

my $i = incident('project=core');

is($i->{totals}{by_user}{bob}, 50_100, 'by user');
is($i->{totals}{by_country}{JP}, 50_100, 'by country');
is($i->{totals}{refused}, 1, 'and one who was refused');
is_deeply(incident('user=nobody')->{rows}, [], 'nobody took nothing');
is_deeply(incident('user=ali')->{rows}, [], 'a part of a name is none');

# a span of time

my $yesterday = strftime('%Y-%m-%d', gmtime(time - 86400));

is(scalar @{ incident('user=alice&from=2020-01-01&to=2020-12-31')->{rows} },
   0, 'in another year nothing');
ok(!incident('user=alice&from=' . $yesterday)->{complete},
   'the stream does not go back so far, and that is told');
is(scalar @{ incident('user=alice&from=' . $yesterday)->{rows} }, 3,
   'what it has is there');

for my $bad ('', 'user=', 'user=a&from=yesterday', 'user=a&from=2026-02-30',
             'user=a&from=2026-11-25&to=2026-11-24',
             'user=a&from=2020-01-01&to=2026-01-01',
             'user=a&from=2026-11-25T25:00:00Z')
{
    is(get("incident?$bad")->{status}, 400, "no span, or nobody: \"$bad\"");
}

# part by part: each goes on after the one before, and together they are all

my $whole = incident('user=alice');

is($whole->{next}, undef, 'all of it has no next part');
is_deeply(incident('user=alice&after=0'), $whole, 'nor has a part that is all');

my $now = strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime);

$redis->command('XADD', 'gate:events', '*', 'event',
                qq({"\@timestamp":"$now","event.kind":"event","event.action":)
                . qq("download","user.name":"many","http.response.body.bytes":)
                . "$_}") for 1 .. 1200;

my ($next, $bytes, $parts, %asked) = (0, 0, 0);

while (defined $next && !$asked{$next}++) {
    my $part = incident("user=many&after=$next");

    $bytes += $part->{totals}{bytes} // 0;
    $parts++;
    is(defined $part->{next} ? 1 : 0, $part->{cut} ? 1 : 0,
       "part $parts: there is a next if it was cut");
    $next = $part->{next};
}

is($bytes, 1200 * 1201 / 2, 'the parts add up');
is($next, undef, 'until there is none');

my ($first) = @{ $redis->command('XRANGE', 'gate:events', '-', '+', 'COUNT',
                                 1) };

is(incident("user=alice&after=$first->[0]")->{totals}{bytes},
   $whole->{totals}{bytes} - 3000, 'after an event it is not told again');
is(get("incident?user=alice&after=$_")->{status}, 400, "no part: \"$_\"")
    for '', 'x', '-1', '1-', '1', '1-2%20', '9' x 60 . '-1';

# hostile names

my @names = ('<script>alert(1)</script>', '=HYPERLINK("http://evil","x")',
             '+1', '-1', '@x', "\xef\xbc\x9d1", "a\"b,c", "\xe2\x80\xaeevil",
             "\xff\xfe", 'x' x 4096);

for my $name (@names) {
    $t->get('/projects/runway/map', from => '203.0.113.1',
            headers => { 'X-User' => $name });
}

ok($t->wait_for(sub {
       incident('project=runway')->{totals}{bytes}
       == sum(qr/\|runway/) + 700 * @names;
   }), 'they are counted');

my $csv = get('incident?project=runway&format=csv');

like($csv->{headers}{'content-type'}, qr{^text/csv}, 'as CSV');
is((split /\r\n/, $csv->{body})[0],
   'user,certificate,country,address,project,document,bytes,requests,refused,'
   . 'first,last', 'with a header');

my @rows = map { fields($_) } (split /\r\n/, $csv->{body})[1 .. 13];

is(scalar(grep { @$_ == 11 } @rows), 13, 'each row has all columns');
is(scalar(grep { $_->[0] =~ /^[=+\-@\t]|^\xef\xbc\x9d/ } @rows), 0,
   'no cell is a formula');
unlike($csv->{body}, qr/[\x00-\x09\x0b\x0c\x0e-\x1f]|\xe2\x80\xae/,
       'nothing in it turns text round');
ok((grep { $_->[0] eq q('=HYPERLINK("http://evil","x")) } @rows),
   'a formula is a text');

my $sum = 0;
$sum += $_->[6] for @rows;
is($sum, sum(qr/\|runway/) + 700 * @names, 'and the sum is right');

for my $name (@names) {
    my $escaped = $name =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;

    next if length $name > 500;
    is(incident("user=$escaped")->{totals}{bytes}, 700,
       'found by his name: ' . length $name);
}

# an answer that is larger than what a socket takes at once

$redis->command('EVAL', <<'END', 1, 'gate:events', $now, 'd' x 700);
    for i = 1, 12000 do
        redis.call('XADD', KEYS[1], '*', 'event', '{"@timestamp":"' .. ARGV[1]
            .. '","event.action":"download","event.kind":"event",'
            .. '"user.name":"large","gate.document":"/' .. ARGV[2] .. i
            .. '","http.response.body.bytes":1}')
    end
    return 1
END

my $large = get('incident?user=large');

cmp_ok(length $large->{body}, '>', 8_000_000, 'a large answer');
is((eval { decode_json($large->{body}) } // {})->{totals}{bytes}, 12_000,
   'is whole');

# more rows than one answer has: the header says how to go on, which is all that
# CSV has (RFC 8288)

unlike($large->{headers}{link} // '', qr/./, 'what is whole has no next part');

$redis->command('EVAL', <<'END', 1, 'gate:events', $now);
    for i = 1, 20500 do
        redis.call('XADD', KEYS[1], '*', 'event', '{"@timestamp":"' .. ARGV[1]
            .. '","event.action":"download","event.kind":"event",'
            .. '"user.name":"rows","gate.document":"/' .. i
            .. '","http.response.body.bytes":' .. i .. '}')
    end
    return 1
END

for my $format (qw(json csv)) {
    my $query = "user=rows&&AFTER=0&format=$format&odd=<\">";
    my ($bytes, $parts) = (0, 0);

    while (defined $query && $parts++ < 1000) {
        my $r = get("incident?$query");

        $bytes += $format eq 'csv' ? csv_bytes($r->{body})
                                   : decode_json($r->{body})->{totals}{bytes};
        ($query) = ($r->{headers}{link} // '')
                   =~ /^<\?([^<>" ]+)>; rel="next"$/;
        like($query, qr/^user=rows&format=$format&odd=%3C%22%3E
                        &after=\d+-\d+$/x, "$format, part $parts: what is next")
            if defined $query;
    }

    cmp_ok($parts, '>', 1, "$format: in parts");
    is($bytes, 20500 * 20501 / 2, "$format: which add up");
}

# a stream that somebody spoilt

$redis->command('XADD', 'gate:events', '*', 'event', $_)
    for '', '{', '[]', '"project"', '{"gate.project":"runway"}', 'x' x 20_000,
        '{"event.kind":"event","@timestamp":1,"gate.project":"runway"}',
        ',"gate.project":"runway"';
is(incident('project=runway')->{totals}{bytes},
   sum(qr/\|runway/) + 700 * @names, 'what is no event is not counted');

$redis->command('DEL', 'gate:events');
$redis->command('SET', 'gate:events', 'x');
is(get('incident?user=alice')->{status}, 503, 'no stream at all');

$t->done;

sub get { return $t->get("/admin/v1/$_[0]") }

sub incident {
    my $r = get("incident?$_[0]");

    return eval { decode_json($r->{body}) } // {};
}

sub csv_bytes {
    my ($body) = @_;
    my ($header, @lines) = split /\r\n/, $body;
    my $bytes = 0;

    $bytes += fields($_)->[6] for @lines;
    return $bytes;
}

# RFC 4180

sub fields {
    my ($line) = @_;
    my @fields;

    while ($line =~ /\G(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/g) {
        my ($quoted, $plain, $end) = ($1, $2, $3);

        push @fields, defined $quoted ? $quoted =~ s/""/"/gr : $plain;
        last if $end eq '';
    }

    return \@fields;
}
