#!/usr/bin/perl

# What a refused client is told: a page or a problem in JSON, in its language,
# by which limit and until when; and only where nginx would have answered
# itself.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_base64);
use Encode qw(decode_utf8 encode_utf8);
use IO::Uncompress::Gunzip qw(gunzip);
use JSON::PP;
use Test::Gate;
use Test::More;
use Time::Local qw(timegm);

my %from = (Tokyo => '203.0.113.1', Frankfurt => '198.51.100.1',
            tor => '192.0.2.1', nowhere => '100.64.0.1');

# path, status, and who asks from where

my %refused = (
    certificate       => [ '/certificate/report', 403, cert => undef ],
    issuer            => [ '/issuer/report', 403, cert => 'alice' ],
    revoked           => [ '/revoked/report', 403, cert => 'bob' ],
    require           => [ '/require/report', 403 ],
    held              => [ '/held/report', 403, user => 'mallory' ],
    country           => [ '/country/report', 403, from => 'nowhere' ],
    anonymous_network => [ '/anonymous/report', 403, from => 'tor' ],
    unusual_country   => [ '/unusual/report', 403, from => 'Frankfurt' ],
    speed             => [ '/speed/report', 403, from => 'Frankfurt' ],
    quota             => [ '/none/report', 429 ],
    unavailable       => [ '/unavailable/report?limit=many', 503 ],
);

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->certificate('bob', email => 'bob@example.jp');
$t->write_file('ca.crl', $t->crl('ca', revoked => [ 'bob' ]));
$t->document('report', 300_000);
$t->document('note', 1000);
$t->write_file('docs/sorry', 'we are sorry');
$t->write_file('docs/page', 'A<!--# include virtual="/country/report" -->Z');

Test::Gate::Countries::database("$t->{dir}/country.mmdb",
    type => 'GeoLite2-City', networks => {
        "$from{Tokyo}/32" => city('JP', 35.6895, 139.6917),
        "$from{Frankfurt}/32" => city('DE', 50.1109, 8.6821) });

Test::Gate::Countries::database("$t->{dir}/anonymous.mmdb",
    type => 'GeoIP2-Anonymous-IP', networks => {
        "$from{tor}/32" => { is_anonymous => 1, is_tor_exit_node => 1 } });

my $redis = $t->redis;

$redis->command('HSET', 'gate:{alice}:unusual/countries',
                since => int(time / 86400) - 50,
                JP => join ',', map { int(time / 86400) - $_ } 1 .. 3);

my $nginx = $t->nginx($t->conf(http => conf(), server => <<'END'));
        access_log  %%DIR%%/events.log events;

        location /certificate/  { gate certificate;  alias %%DIR%%/docs/; }
        location /issuer/       { gate issuer;       alias %%DIR%%/docs/; }
        location /revoked/      { gate revoked;      alias %%DIR%%/docs/; }
        location /held/         { gate held;         alias %%DIR%%/docs/; }
        location /require/      { gate require;      alias %%DIR%%/docs/; }
        location /country/      { gate country;      alias %%DIR%%/docs/; }
        location /anonymous/    { gate anonymous;    alias %%DIR%%/docs/; }
        location /unusual/      { gate unusual;      alias %%DIR%%/docs/; }
        location /speed/        { gate speed;        alias %%DIR%%/docs/; }
        location /none/         { gate none;         alias %%DIR%%/docs/; }
        location /unavailable/  { gate unavailable;  alias %%DIR%%/docs/; }

        location /bytes/        { gate bytes;        alias %%DIR%%/docs/; }
        location /requests/     { gate requests;     alias %%DIR%%/docs/; }
        location /documents/    { gate documents;    alias %%DIR%%/docs/; }
        location /rolling/      { gate rolling;      alias %%DIR%%/docs/; }
        location /upgrade/      { gate bytes;
                                  proxy_pass http://unix:%%DIR%%/up.sock;
                                  proxy_http_version 1.1;
                                  proxy_set_header Upgrade $http_upgrade;
                                  proxy_set_header Connection upgrade; }
        location /proxied/      { gate bytes;
                                  proxy_pass http://unix:%%DIR%%/up.sock; }

        location /dry/    { gate country; gate_dry_run on;
                            alias %%DIR%%/docs/; }
        location /return/ { gate country; return 200 "secret"; }
        location /teapot/ { gate teapot; }
        location /gzip/   { gate country; gzip on; gzip_min_length 1;
                            gzip_vary on; }
        location /charset/  { gate country; charset koi8-r; }
        location /headers/  { gate country; add_header X-Ours yes always; }
        location /closed/   { gate speed; deny all; }
        location /public/   { deny all; }
        location = /page    { ssi on; ssi_types *; root %%DIR%%/docs; }

        location /sorry/    { gate country; error_page 403 /sorry; }
        location /fine/     { gate country; error_page 403 =200 /sorry; }
        location /named/    { gate country; error_page 403 @named; }
        location /away/     { gate country; error_page 403 http://a.jp/; }
        location /lost/     { gate country; error_page 403 /nothing; }
        location /other/    { gate country; error_page 404 /sorry; }
        location /late/     { gate bytes; alias %%DIR%%/docs/;
                              error_page 429 /sorry; }
        location /again/    { gate country; error_page 403 /country/again; }
        location = /sorry   { root %%DIR%%/docs; }
        location = /nothing { root %%DIR%%/nowhere; }
        location @named     { return 403 "named"; }
END

$t->hold($redis, 'case-17', 'user=mallory by=carol reason=of no concern');
$t->wait_for(sub { ask('/held/report', user => 'mallory')->{status} == 403 });

# every reason, in every form

for my $http ('1.1', 2) {
    for my $reason (sort keys %refused) {
        for my $language (qw(en ja)) {
            page($http, $reason, $language);
            problem($http, $reason, $language);
        }
    }
}

# which limit, how much of it, until when

my ($noon) = $t->noon =~ /=(-?\d+)h/;
my $zone = sprintf '%s%02d:00', $noon < 0 ? '-' : '+', abs $noon;
my $midnight = 86400 * (1 + int((time + 3600 * $noon) / 86400)) - 3600 * $noon;

# of a document that is known too late not to fit; to Redis goes only the first

is(ask('/bytes/note')->{status}, 200, 'a document passes');

for my $time ('at first', 'and again') {
    my $r = ask('/bytes/report');
    my $j = json($r);

    is($r->{status}, 429, "a document that does not fit, $time");
    is($j->{quota}, 'daily', 'its quota');
    is($j->{unit}, 'bytes', 'its unit');
    is($j->{limit}, 204_800, 'its limit');
    is($j->{used}, 1000, 'what was used');
    is(at($j->{opens}), $midnight, 'it opens at midnight');
    like($j->{opens}, qr/T00:00:00\Q$zone\E$/, 'there where its day ends');
    is_deeply($j->{'violated-policies'}, [ 'daily' ], 'the policy');
    like($j->{type}, qr{^https://iana\.org/.*#quota-exceeded$}, 'the type');
    between($r->{headers}{'retry-after'}, $midnight - time - 5,
            $midnight - time + 5, 'Retry-After agrees');
}

my $text = text(ask('/bytes/report', accept => 'text/html'));

like($text, qr/Limit 200 KB per day \(daily\)/, 'the page tells its limit');
like($text, qr/Used 1000 bytes|Used 1,000 bytes/, 'and what was used');
like($text, qr/Opens again \d{4}-\d\d-\d\d 00:00 \(UTC\Q$zone\E\)/,
     'and when it opens');

$text = text(ask('/bytes/report', accept => 'text/html', language => 'ja'));

like($text, qr/上限 1日に200 KB \(daily\)/, 'in Japanese, too');
like($text, qr/使用済み 1,000バイト/, 'what was used');
like($text, qr/利用再開 \d{4}-\d\d-\d\d 00:00 \(UTC\Q$zone\E\)/,
     'when it opens');

# of a backend whose response is large: it is let go

$t->backend('up', sub {
    my ($socket, $head) = @_;

    print $socket $head =~ /^Upgrade:/mi
        ? "HTTP/1.1 101 Switching Protocols\r\nUpgrade: it\r\n"
          . "Connection: upgrade\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n"
          . "Content-Language: tlh\r\nX-Secret: yes\r\n\r\n" . 'x' x 300_000;
});

for my $http ('1.1', 2) {
    my $r = ask('/proxied/x', http => $http, user => "late$http");

    is($r->{status}, 429, "HTTP/$http: a response that does not fit");
    is(json($r)->{used}, 0, "HTTP/$http: nothing was used");
    is($r->{headers}{'x-secret'}, undef, "HTTP/$http: nothing is left of it");
    is($r->{headers}{'content-language'}, 'en', "HTTP/$http: nor its language");
}

# not all that is refused for a quota does not fit

my $r = ask('/upgrade/', headers => { Upgrade => 'it',
                                       Connection => 'upgrade' });
is($r->{status}, 429, 'an upgrade under a quota of bytes');
is(json($r)->{quota}, undef, 'is not a matter of how much');
is(json($r)->{type}, 'about:blank', 'and a problem of no type');

is(ask('/requests/note')->{status}, 200, 'a request passes') for 1, 2;
is_deeply([ @{ json(ask('/requests/note')) }{qw(quota unit limit used)} ],
          [ 'requests-day', 'requests', 2, 2 ], 'the third does not');

is(ask('/documents/note')->{status}, 200, 'a document passes');
is_deeply([ @{ json(ask('/documents/sorry')) }{qw(quota unit limit used)} ],
          [ 'documents-week', 'documents', 1, 1 ], 'another does not');
like(text(ask('/documents/sorry', accept => '*/*')),
     qr/Limit 1 document per week \(documents-week\) Used 1 document /,
     'one is not many');

is(ask('/rolling/note')->{status}, 200, 'one in ninety minutes');
$r = ask('/rolling/note');
between(at(json($r)->{opens}) - time, $r->{headers}{'retry-after'} - 5,
        $r->{headers}{'retry-after'} + 5, 'it opens when one may retry');
like(json($r)->{opens}, qr/\+09:00$/, 'by the clock of the other quota');
like(text(ask('/rolling/note', accept => '*/*')),
     qr/Limit 1 request within 90 minutes \(often\)/, 'a length of time');
like(text(ask('/rolling/note', accept => '*/*', language => 'ja')),
     qr/上限 直近の90分間に1回 \(often\)/, 'in Japanese, too');

# what is preferred

for my $http ('1.1', 2) {
    for ([ undef, 'text/html' ], [ '*/*', 'text/html' ],
         [ 'application/json', 'application/problem+json' ],
         [ 'application/json, text/plain, */*', 'application/problem+json' ],
         [ 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
           'text/html' ],
         [ 'text/html;q=0.5, application/problem+json;q=0.6',
           'application/problem+json' ])
    {
        my $r = ask('/require/report', http => $http, accept => $_->[0]);
        my ($type) = $r->{headers}{'content-type'} =~ /^([^;]+)/;

        is($type, $_->[1], "HTTP/$http: Accept: " . ($_->[0] // '-'));
    }

    for ([ undef, 'en' ], [ 'fr', 'en' ], [ 'ja-JP', 'ja' ],
         [ 'fr, ja;q=0.3', 'ja' ], [ 'en-US,en;q=0.9,ja;q=0.8', 'en' ],
         [ 'ja,en-US;q=0.9,en;q=0.8', 'ja' ], [ ';;;,,,"', 'en' ])
    {
        is(ask('/require/report', http => $http, language => $_->[0])
               ->{headers}{'content-language'}, $_->[1],
           "HTTP/$http: Accept-Language: " . ($_->[0] // '-'));
    }
}

is($t->curl('/require/report', options => [ '-H', 'Accept: text/html;q=0.1',
                                            '-H', 'Accept: application/json' ]
           )->{headers}{'content-type'},
   'application/problem+json', 'Accept in two lines');

# HEAD, POST, a kept connection

for my $http ('1.1', 2) {
    my $get = ask('/require/report', http => $http);
    my $head = ask('/require/report', http => $http, method => 'HEAD');

    is($head->{status}, 403, "HTTP/$http: HEAD");
    is($head->{body}, '', "HTTP/$http: has no body");
    is_deeply($head->{headers}, { %{ $get->{headers} },
                                  date => $head->{headers}{date} },
              "HTTP/$http: and the header of GET");

    $r = ask('/require/report', http => $http, method => 'POST',
              body => 'x' x 100_000);
    is($r->{status}, 403, "HTTP/$http: POST");
    is(json($r)->{reason}, 'require', "HTTP/$http: is told the same");
}

my $client = $t->client;
my @refused = map { $client->request('/require/report')->{status} } 1 .. 3;

is("@refused", '403 403 403', 'the connection is kept');

# only where nginx answers itself, and the gate has refused

for my $http ('1.1', 2) {
    for ([ '/public/', 403, 'nginx', 'no gate' ],
         [ '/closed/report', 403, 'nginx', 'the gate has not refused' ],
         [ '/dry/report', 200, 'document', 'a dry run' ],
         [ '/country/report', 403, 'page', 'a refusal' ],
         [ '/return/', 403, 'page', 'what "return" would have told' ],
         [ '/teapot/', 418, 'page', 'a status without a page of nginx' ],
         [ '/charset/', 403, 'page', 'another charset' ],
         [ '/headers/', 403, 'page', 'with "add_header"' ],
         [ '/sorry/', 403, 'sorry', '"error_page"' ],
         [ '/fine/', 200, 'sorry', '"error_page" with another status' ],
         [ '/named/', 403, 'named', '"error_page" to a named location' ],
         [ '/away/', 302, 'nginx', '"error_page" to elsewhere' ],
         [ '/lost/', 404, 'nginx', '"error_page" that is not there' ],
         [ '/other/', 403, 'page', '"error_page" of another status' ],
         [ '/late/report', 429, 'sorry', '"error_page" of a late refusal' ],
         [ '/again/', 404, 'nginx', '"error_page" that the policy is for' ])
    {
        my ($uri, $status, $kind, $what) = @$_;

        my $r = ask($uri, http => $http, accept => '*/*', from => 'nowhere');

        is($r->{status}, $status, "HTTP/$http: $what: $status");
        is(kind($r), $kind, "HTTP/$http: $what: $kind");
    }
}

is(ask('/headers/', from => 'nowhere')->{headers}{'x-ours'}, 'yes',
   '"add_header" adds');

is($t->get('/page', from => $from{nowhere})->{body} =~ /<html lang=/ ? 1 : 0, 0,
   'no page in a page: subrequests have none');

# compressed as other pages are

$r = ask('/gzip/', from => 'nowhere', accept => 'text/html',
          headers => { 'Accept-Encoding' => 'gzip' });
is($r->{headers}{'content-encoding'}, 'gzip', 'compressed');
gunzip(\$r->{body}, \my $page);
like($page, qr{^<!DOCTYPE html>.*</html>$}s, 'it is the whole page');

# nothing of what the client sent is in it

$r = ask('/country/%3Cb%3E?a=%3Cscript%3E', user => '<u>"&\'', accept => '*/*',
          from => 'nowhere', headers => { Referer => 'http://evil.example/' });

unlike($r->{body}, qr/<b>|<u>|&lt;|script|evil|%3C/,
       'nothing of the request is in the page');

$t->done;


# the page of a reason

sub page {
    my ($http, $reason, $language) = @_;

    my $what = "HTTP/$http: $reason, $language";
    my $r = refused($http, $reason, 'text/html', $language);
    my $h = $r->{headers};
    my ($style) = $r->{body} =~ m{<style>(.*?)</style>}s;
    my $hash = sha256_base64($style // '');
    my ($event) = $r->{body} =~ m{<code>([0-9a-f]{32})</code>};

    is($h->{'content-type'}, 'text/html; charset=utf-8', "$what: HTML");
    is($h->{'content-security-policy'},
       "default-src 'none'; img-src data:; style-src 'sha256-$hash='; "
       . "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
       "$what: allows nothing but its style");

    is(tidy($r->{body}), '', "$what: valid");
    like($r->{body}, qr/<html lang="$language">/, "$what: says its language");
    unlike($r->{body}, qr{(?:src|href)="(?!data:,")|url\(|\@import|<script},
           "$what: needs nothing else");

    told($what, $r, $language, $reason, $event);
}


# the problem of a reason: RFC 9457

sub problem {
    my ($http, $reason, $language) = @_;

    my $what = "HTTP/$http: $reason as JSON, $language";
    my $r = refused($http, $reason, 'application/problem+json', $language);
    my $j = json($r);
    my %of = (type => 1, title => 1, status => 0, detail => 1);
    my @more = $reason eq 'quota'
               ? qw(violated-policies quota unit limit used opens) : ();

    is($r->{headers}{'content-type'}, 'application/problem+json',
       "$what: its type");
    is(join(' ', sort keys %$j),
       join(' ', sort keys %of, qw(reason reference), @more),
       "$what: its members");

    for (sort keys %of) {
        my $string = JSON::PP->new->allow_nonref->encode($j->{$_}) =~ /^"./;
        is($string ? 1 : 0, $of{$_}, "$what: $_ is a "
                                     . ($of{$_} ? 'string' : 'number'));
    }

    is($j->{status}, $r->{status}, "$what: the status");
    is($j->{reason}, $reason, "$what: the reason");
    is($j->{detail} =~ /\p{Hiragana}/ ? 'ja' : 'en', $language,
       "$what: the language");

    told($what, $r, $language, $reason, $j->{reference});
}


# what both have

sub told {
    my ($what, $r, $language, $reason, $event) = @_;

    my $h = $r->{headers};

    is($r->{status}, $refused{$reason}[1], "$what: its status");
    is($h->{'content-language'}, $language, "$what: Content-Language");
    is($h->{vary}, 'Accept, Accept-Language', "$what: Vary");
    is($h->{'cache-control'}, 'no-store', "$what: Cache-Control");
    is($h->{'x-content-type-options'}, 'nosniff', "$what: nosniff");
    is($h->{'content-length'}, length $r->{body}, "$what: Content-Length");
    is(defined $h->{'retry-after'} ? 1 : 0, $reason eq 'quota' ? 1 : 0,
       "$what: Retry-After");

    unlike($r->{body}, qr/carol|of no concern/,
           "$what: nothing of who has set a hold, or why");

    ok($t->wait_for(sub { $t->read_file('events.log')
                          =~ /^$event DENIED $reason$/m }),
       "$what: its reference is in the log");
}


sub refused {
    my ($http, $reason, $accept, $language) = @_;

    my ($uri, undef, %o) = @{ $refused{$reason} };

    # who was somewhere else before

    ask($uri, from => 'Tokyo') if $reason eq 'speed';

    return ask($uri, %o, http => $http, accept => $accept,
                language => $language);
}


sub ask {
    my ($uri, %o) = @_;

    my %headers = (%{ $o{headers} // {} },
                   Accept => exists $o{accept} ? $o{accept}
                                               : 'application/json',
                   'Accept-Language' => $o{language});
    my @options = ($o{http} // '1.1') eq '2' && !defined $headers{Accept}
                  ? (options => [ '-H', 'Accept:' ]) : ();

    delete @headers{ grep { !defined $headers{$_} } keys %headers };

    return $t->as($o{http} // '1.1', $o{user} // 'alice', $uri,
                  from => $from{ $o{from} // 'Tokyo' }, headers => \%headers,
                  map({ defined $o{$_} ? ($_ => $o{$_}) : () }
                      qw(cert method body)), @options);
}


sub json { return JSON::PP->new->utf8->decode($_[0]{body}) }


# a page as one reads it, a blank between any two things

sub text {
    my ($r) = @_;

    my ($body) = decode_utf8($r->{body}) =~ m{<body>(.*)</body>}s;
    $body =~ s/<[^>]*>/ /g;

    return $body =~ s/\s+/ /gr;
}


sub kind {
    my ($r) = @_;

    return $r->{body} =~ m{<html lang="en">} ? 'page'
           : $r->{body} =~ /<center>nginx/ ? 'nginx'
           : length $r->{body} == 300_000 ? 'document'
           : $r->{body} =~ /sorry/ ? 'sorry' : $r->{body};
}


sub at {
    my ($y, $mon, $d, $h, $m, $s, $sign, $zh, $zm) = $_[0]
        =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([+-])(\d\d):(\d\d)$/;

    return timegm($s, $m, $h, $d, $mon - 1, $y)
           - ($sign eq '-' ? -1 : 1) * ($zh * 3600 + $zm * 60);
}


sub between {
    my ($n, $least, $most, $what) = @_;

    ok($n >= $least && $n <= $most, $what)
        or diag("$n is not from $least to $most");
}


sub tidy {
    my ($body) = @_;

    my $file = $t->write_file('page.html', $body);

    return scalar `tidy -q -e -utf8 --drop-empty-elements no $file 2>&1`;
}


sub city {
    my ($country, $latitude, $longitude) = @_;

    return { country => { iso_code => $country },
             location => { latitude => $latitude, longitude => $longitude,
                           accuracy_radius => 20 } };
}


sub conf {
    return <<'END' =~ s/%%NOON%%/$t->noon/ger;
    log_format  events  '$gate_event $gate_verdict $gate_reason';

    gate_geoip  anonymous.mmdb;
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy certificate { user $gate_cert_email; }
    gate_policy issuer { user $gate_cert_email; issuer "CN=Other CA"; }

    gate_policy revoked { crl %%DIR%%/ca.crl; }

    gate_policy held {
        certificate  off;
        user         $http_x_user;
    }

    gate_policy require {
        certificate  off;
        user         $http_x_user;
        require      $arg_member;
    }

    gate_policy country {
        certificate    off;
        user           $http_x_user;
        allow_country  JP DE;
    }

    gate_policy teapot {
        certificate    off;
        allow_country  JP DE;
        status         country=418;
    }

    gate_policy anonymous {
        certificate        off;
        user               $http_x_user;
        anonymous_network  deny;
    }

    gate_policy unusual {
        certificate      off;
        user             $http_x_user;
        unusual_country  deny;
    }

    gate_policy speed {
        certificate  off;
        user         $http_x_user;
        max_speed    900km/h deny;
    }

    map $uri $nothing { default 0; }

    gate_policy none {
        certificate  off;
        user         $http_x_user;
        quota        bytes=$nothing per=day %%NOON%%;
    }

    gate_policy unavailable {
        certificate  off;
        user         $http_x_user;
        quota        bytes=$arg_limit per=day;
    }

    gate_policy bytes {
        certificate  off;
        user         $http_x_user;
        quota        bytes=200k per=day %%NOON%% name=daily;
        quota        requests=1000 per=1h;
    }

    gate_policy requests {
        certificate  off;
        user         $http_x_user;
        quota        requests=2 per=day %%NOON%%;
    }

    gate_policy documents {
        certificate  off;
        user         $http_x_user;
        quota        documents=1 per=week %%NOON%%;
    }

    gate_policy rolling {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1g per=day offset=9h;
        quota        requests=1 per=90m name=often;
    }
END
}
