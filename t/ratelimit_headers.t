#!/usr/bin/perl

# RateLimit-Policy and RateLimit: structured lists with an item for each quota,
# on whatever a gated location answers, by what Redis has told this node.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);
$t->document('big', 100_000);
$t->write_file('docs/page', '<!--# include virtual="/on/small" -->');

$t->backend('chunked', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  . "3\r\nabc\r\n0\r\n\r\n";
});

my $redis = $t->redis;
my ($noon) = $t->noon =~ /=(-?\d+)h/;
my $midnight = 86400 * (1 + int((time + 3600 * $noon) / 86400)) - 3600 * $noon;

my @ports = ($t->{port}, $t->port);
my $conf = $t->conf(http => conf(), server => <<'END');
        access_log  %%DIR%%/limits.log limits;

        location /on/       { gate all; gate_ratelimit_headers on;
                              alias %%DIR%%/docs/; }
        location /off/      { gate all; alias %%DIR%%/docs/; }
        location /few/      { gate few; gate_ratelimit_headers on;
                              alias %%DIR%%/docs/; }
        location /dry/      { gate few; gate_dry_run on;
                              gate_ratelimit_headers on;
                              alias %%DIR%%/docs/; }
        location /none/     { gate none; gate_ratelimit_headers on;
                              alias %%DIR%%/docs/; }
        location /chunked/  { gate all; gate_ratelimit_headers on;
                              proxy_pass http://unix:%%DIR%%/chunked.sock; }
        location /open/     { gate_ratelimit_headers on;
                              alias %%DIR%%/docs/; }
        location = /page    { gate_ratelimit_headers on; ssi on; ssi_types *;
                              root %%DIR%%/docs; }
END

$t->nginx($conf, port => $_) for @ports;

for my $http ('1.1', 2) {
    my $user = "alice-$http";

    # known at the header: what the response itself takes is gone

    my $r = ask($http, $user, '/on/small');
    is($r->{status}, 200, "HTTP/$http: a document");
    policy($r, "HTTP/$http: 200");
    limits($r, $user, { daily => 1_000_000 - 1000, hourly => 499,
                        'documents-week' => 9 }, "HTTP/$http: 200");

    my $etag = $r->{headers}{etag};

    $r = ask($http, $user, '/on/small',
             headers => { 'If-None-Match' => $etag });
    is($r->{status}, 304, "HTTP/$http: not modified");
    policy($r, "HTTP/$http: 304");
    limits($r, $user, { daily => 1_000_000 - 1000, hourly => 498,
                        'documents-week' => 9 }, "HTTP/$http: 304");

    $r = ask($http, $user, '/on/small', method => 'HEAD');
    limits($r, $user, { daily => 1_000_000 - 1000, hourly => 497,
                        'documents-week' => 9 }, "HTTP/$http: HEAD");

    $r = ask($http, $user, '/on/nothing');
    is($r->{status}, 404, "HTTP/$http: nothing there");
    policy($r, "HTTP/$http: 404");
    is(items($r->{headers}{ratelimit})->{hourly}{r}, 496,
       "HTTP/$http: 404: a request");

    $r = ask($http, $user, '/chunked/');
    policy($r, "HTTP/$http: of unknown length");
    is(join(' ', sort keys %{ items($r->{headers}{ratelimit}) }),
       'daily documents-week hourly',
       "HTTP/$http: of unknown length: all that is left is told");

    # Redis comes to the same in the end

    my $left = items(ask($http, $user, '/on/small', method => 'HEAD')
                     ->{headers}{ratelimit});

    is($t->settled($redis, "{$user}:all", 'hourly', 500 - $left->{hourly}{r}),
       500 - $left->{hourly}{r}, "HTTP/$http: requests as Redis has them");
    is($t->settled($redis, "{$user}:all", 'daily', 1_000_000 - $left->{daily}{r}),
       1_000_000 - $left->{daily}{r}, "HTTP/$http: bytes as Redis has them");

    # refused

    $user = "bob-$http";
    is(ask($http, $user, '/few/small')->{status}, 200, "HTTP/$http: one")
        for 1, 2;

    $r = ask($http, $user, '/few/small');
    is($r->{status}, 429, "HTTP/$http: the third");
    is($r->{headers}{'ratelimit-policy'}, '"few";q=2;w=86400;qu="requests", '
       . '"small";q=51200;w=86400;qu="content-bytes"',
       "HTTP/$http: 429: its policy");

    my $item = items($r->{headers}{ratelimit})->{few};
    is($item->{r}, 0, "HTTP/$http: 429: nothing is left");
    ok($item->{t} <= $r->{headers}{'retry-after'} + 1,
       "HTTP/$http: 429: and Retry-After is not earlier");

    $r = ask($http, $user, '/dry/small');
    is($r->{status}, 200, "HTTP/$http: a dry run");
    is(items($r->{headers}{ratelimit})->{few}{r}, 0,
       "HTTP/$http: a dry run: nothing is left");

    # a response that does not fit: what it asked for is not gone

    $user = "carol-$http";
    is(ask($http, $user, '/few/big')->{status}, 429, "HTTP/$http: too big");
    is(items(ask($http, $user, '/few/big')->{headers}{ratelimit})->{few}{r}, 2,
       "HTTP/$http: too big: nothing was taken");

    # where there is nothing to tell

    for ([ '/off/small', 'off' ], [ '/none/small', 'no quota' ],
         [ '/open/small', 'no gate' ], [ '/page', 'a gated subrequest' ])
    {
        $r = ask($http, "dave-$http", $_->[0]);
        is($r->{status}, 200, "HTTP/$http: $_->[1]");
        is(join(' ', grep { /ratelimit/ } keys %{ $r->{headers} }), '',
           "HTTP/$http: $_->[1]: no fields");
    }

    is(ask($http, '', '/on/small')->{headers}{'ratelimit-policy'}, undef,
       "HTTP/$http: nobody is told nothing");
    unlike(join(' ', %{ ask($http, 'erin@example.jp', '/on/small')->{headers} }),
           qr/erin|pk=/, "HTTP/$http: who it is, is not told");
}

# another node's share is gone, as far as Redis has told of it

my $r = ask('1.1', 'frank', '/on/big', port => $ports[1]);
is($r->{status}, 200, 'one by another node');

$r = ask('1.1', 'frank', '/on/small');
my $left = items($r->{headers}{ratelimit})->{daily}{r};
ok($left <= 1_000_000 - 101_000, 'is known to this one')
    or diag("$left are left");

# limits of a map, large ones, none

$r = ask('1.1', 'grace', '/on/small',
         headers => { 'X-Limit' => '4503599627370496' });
is(items($r->{headers}{'ratelimit-policy'})->{daily}{q}, 999_999_999_999_999,
   'no number is larger than a structured field can hold');
is(items($r->{headers}{ratelimit})->{daily}{r}, 999_999_999_999_999,
   'nor what is left');

$r = ask('1.1', 'heidi', '/on/small', headers => { 'X-Limit' => 'off' });
is(join(' ', sort keys %{ items($r->{headers}{'ratelimit-policy'}) }),
   'documents-week hourly', 'what has no limit is not told');

# the variables, whether there are fields or not

like($t->logged(1, 'limits.log'), qr/^200\|"daily";q=1000000;w=86400;qu="content-bytes", .*
                 \|"daily";r=999000;t=\d+,\ "hourly";r=499;t=\d+,\ /x,
     'the variables have the same');

$t->done;


# one line of each field, by RFC 9651: a list of strings with parameters, which
# are integers or strings here

sub items {
    my ($text) = @_;

    my %items;

    pos($text) = 0;

    while (1) {
        $text =~ /\G"([\x20\x21\x23-\x5b\x5d-\x7e]*)"/gc
            or die "no string at " . substr $text, pos $text;

        my $name = $1;
        die "\"$name\" twice" if $items{$name};
        $items{$name} = {};

        while ($text =~ /\G; *([a-z*][a-z0-9_.*-]*)=/gc) {
            my $key = $1;

            $text =~ /\G(?:(-?\d{1,15})(?![\d.])
                           |"([\x20\x21\x23-\x5b\x5d-\x7e]*)")/gcx
                or die "no value at " . substr $text, pos $text;
            $items{$name}{$key} = $1 // $2;
        }

        return \%items if $text =~ /\G *\z/gc;

        $text =~ /\G[ \t]*,[ \t]*/gc
            or die "no comma at " . substr $text, pos $text;
    }
}


sub policy {
    my ($r, $what) = @_;

    is($r->{headers}{'ratelimit-policy'},
       '"daily";q=1000000;w=86400;qu="content-bytes", '
       . '"hourly";q=500;w=3600;qu="requests", '
       . '"documents-week";q=10;w=604800;qu="documents"', "$what: its policy");
    is(join(' ', sort keys %{ items($r->{headers}{'ratelimit-policy'}) }),
       'daily documents-week hourly', "$what: is a structured field");
}


sub limits {
    my ($r, $user, $left, $what) = @_;

    my $items = items($r->{headers}{ratelimit});

    is(join(' ', map { "$_=$items->{$_}{r}" } sort keys %$items),
       join(' ', map { "$_=$left->{$_}" } sort keys %$left), "$what: is left");
    is(join(' ', map { join ',', sort keys %{ $items->{$_} } } sort keys %$items),
       join(' ', ('r,t') x keys %$left), "$what: with what the draft names");

    # by Redis' clock, which is this host's; the response was made before now

    my $t = $items->{daily}{t};
    ok($t >= $midnight - time - 1 && $t <= $midnight - time + 30,
       "$what: until midnight") or diag($t);
    ok($items->{hourly}{t} > 0 && $items->{hourly}{t} <= 300,
       "$what: until the next of twelve slots");
}


sub ask {
    my ($http, $user, $uri, %o) = @_;

    return $t->as($http, $user, $uri, from => '203.0.113.1', %o);
}


sub conf {
    return <<'END' =~ s/%%NOON%%/$t->noon/ger;
    log_format  limits  escape=none
                '$status|$gate_ratelimit_policy|$gate_ratelimit';

    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    map $http_x_limit $limit { default 1000000; ~. $http_x_limit; }

    gate_policy all {
        certificate  off;
        user         $http_x_user;
        quota        bytes=$limit per=day %%NOON%% name=daily;
        quota        requests=500 per=1h name=hourly;
        quota        documents=10 per=week %%NOON%%;
        lease        64k;
    }

    gate_policy few {
        certificate  off;
        user         $http_x_user;
        quota        requests=2 per=day %%NOON%% name=few;
        quota        bytes=50k per=day %%NOON%% name=small;
    }

    gate_policy none {
        certificate  off;
        user         $http_x_user;
    }
END
}
