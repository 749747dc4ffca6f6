#!/usr/bin/perl

# gate_audit file: one line of JSON for each refusal and each download, with
# what is known of it; whatever is in a name; the file is opened anew on USR1;
# what a full disk does not take is counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Encode qw(decode FB_CROAK);
use JSON::PP;
use Sys::Hostname;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->certificate('mallory', self => 1);
$t->countries('203.0.113.0/24' => 'JP', '192.0.2.0/24' => 'DE');
$t->document('report', 5000);
$t->document('empty', 0);
$t->document('big', 30_000_000);
$t->document('dry/report', 700);

my $nginx = $t->nginx(conf());

# a download

is($t->get('/report?n=1', cert => 'alice', from => '203.0.113.1')->{status},
   200, 'a download');

my ($e) = events(1);

like($e->{'@timestamp'}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'time');

my %common = ('ecs.version' => '8.11.0', 'event.kind' => 'event',
              'event.category' => [ 'web' ], 'event.type' => [ 'access' ],
              'host.name' => hostname(), 'rule.ruleset' => 'staff',
              'http.request.method' => 'GET');
my %certificate = (
    'tls.client.x509.serial_number' => serial('alice'),
    'tls.client.hash.sha256' => fingerprint('alice'),
    'tls.client.issuer' => 'CN=ca');

is_deeply(but($e, '@timestamp', 'event.id', 'gate.quotas'),
          { %common, %certificate, 'event.action' => 'download',
            'event.outcome' => 'success', 'gate.verdict' => 'PASSED',
            'user.name' => 'alice@example.jp', 'source.ip' => '203.0.113.1',
            'source.geo.country_iso_code' => 'JP', 'gate.project' => 'report',
            'gate.document' => '/report', 'url.path' => '/report',
            'http.response.status_code' => 200,
            'http.response.body.bytes' => 5000 },
          'all that is known of it');

my ($reference) = $t->logged(1, 'reference.log') =~ /^(\w{32})$/;

is($e->{'event.id'}, $reference, 'and the reference that the access log has');
is_deeply([ map { "$_->{name} $_->{limit} $_->{used}" }
            @{ $e->{'gate.quotas'} } ],
          [ 'bytes-day 1000000000 5000' ], 'how the quota stands');

# refusals

is($t->get('/report', cert => 'alice', from => '192.0.2.1')->{status}, 403,
   'one from elsewhere');
is($t->get('/report', from => '203.0.113.1')->{status}, 403,
   'one without a certificate');
is($t->get('/report', cert => 'mallory', from => '203.0.113.1')->{status}, 400,
   'one that nginx refuses before any phase');
is(plain("GET /report HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400,
   'one without TLS, the same');

my @e = events(5);

is_deeply(but($e[1], '@timestamp', 'event.id', 'gate.quotas'),
          { %common, %certificate, 'event.action' => 'refused',
            'event.outcome' => 'failure', 'event.reason' => 'country',
            'gate.verdict' => 'DENIED', 'rule.name' => 'country',
            'user.name' => 'alice@example.jp', 'source.ip' => '192.0.2.1',
            'source.geo.country_iso_code' => 'DE', 'gate.project' => 'report',
            'gate.document' => '/report', 'url.path' => '/report',
            'http.response.status_code' => 403,
            'http.response.body.bytes' => 0 }, 'a refusal');
is(brief($e[2]), 'refused certificate 403 0 - report /report', 'no certificate');
is(brief($e[3]), 'refused certificate 400 0 - - /report', 'an invalid one');
is($e[3]{'tls.client.hash.sha256'}, fingerprint('mallory'), 'which one it was');
like($e[3]{'gate.fault'}, qr/self.signed/i, 'what is wrong with it');
is(brief($e[4]), 'refused certificate 400 0 - - /report', 'no TLS');

# what a subset of them gets

is(scalar(() = $t->read_file('refused.json') =~ /\n/g), 4,
   'events=refused: refusals alone');
is(scalar(() = $t->read_file('state.json') =~ /\n/g), 0,
   'events=state: nothing of requests');

# no body; a part; nothing

my %at = (cert => 'alice', from => '203.0.113.1');

$t->get('/report', %at, method => 'HEAD');
$t->get('/report', %at, headers => { Range => 'bytes=10-19' });
$t->get('/empty', %at);
is($t->get('/off/report', %at)->{status}, 404, 'a place that tells nothing');
my $page = length $t->get('/nowhere', %at)->{body};

is(join(', ', map { brief($_) } (events(8))[5 .. 7]),
   'download - 206 10 alice@example.jp report /report, '
   . 'download - 200 0 alice@example.jp empty /empty, '
   . "download - 404 $page "
   . 'alice@example.jp nowhere /nowhere',
   'a range; an empty document; an error page; no HEAD');

# a dry run; and what is only reported

$t->get('/dry/report', cert => 'alice', from => '192.0.2.1');
($e) = (events(9))[8];
is(brief($e), 'would-refuse country 200 700 alice@example.jp dry /dry/report',
   'a dry run is told as one');
is($e->{'gate.verdict'}, 'DENIED_DRY_RUN', 'and its verdict');
is($t->logged(5, 'refused.json') =~ /would-refuse/ ? 1 : 0, 1,
   'events=refused has it, too');

# a client that goes away: what left is told, as the quota has it

my $client = $t->client(%at);

$client->send('/big', %at);
$client->more;
$client->close;

($e) = (events(10))[9];
cmp_ok($e->{'http.response.body.bytes'}, '>=', 10_000, 'what left is told');
cmp_ok($e->{'http.response.body.bytes'}, '<', 30_000_000, 'and no more');

# hostile names: one line of JSON, in UTF-8, whatever comes

my $n = 10;
my @names = ('<script>alert(1)</script>', q("quoted\\" 'text'),
              "two\nlines\r\n", "\xe2\x80\xae" . 'gpj.exe', "\xff\xfe\xc0\xaf",
              "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x7f\x1b[31m",
              "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "=cmd|'/C calc'!A0",
              "\xc2\x85\xe2\x80\xa8", "\xf0\x9f\x93\x84 paper",
              map { $_ x (4096 / length) } 'a', "\xff", '"', "\n", "\xe3\x81\x82");

for my $name (@names) {
    my $uri = '/hostile/' . join '', map { sprintf '%%%02x', ord }
                                     split //, $name;
    my $header = $name =~ s/[\r\n]//gr =~ s/^\s+|\s+$//gr;

    $t->get($uri, from => '203.0.113.1',
            headers => { map { ("X-$_" => $header) } qw(User Project) });

}

for my $name (@names) {
    my $header = $name =~ s/[\r\n]//gr =~ s/^\s+|\s+$//gr;
    my $shown = substr $name =~ s/[^\x20-\x7e]/?/gr, 0, 20;

    $e = (events(10 + @names))[$n++];

    shows($e, 'gate.document', "/hostile/$name", "a document: $shown");
    shows($e, 'user.name', $header, "a user: $shown");
    shows($e, 'gate.project', $header, "a project: $shown");
}

my $whole = $t->read_file('all.json');

unlike($whole, qr/[^\x20-\x7e\x80-\xff\n]/, 'no control characters');
unlike($whole, qr/[<>']/, 'nothing that HTML would take for its own');
unlike($whole, qr/\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]/,
       'no marks of direction');
ok(utf8::decode(my $copy = $whole), 'all of it is UTF-8');
cmp_ok((sort { $b <=> $a } map { length } split /\n/, $whole)[0], '<', 8192,
       'no line is long');

# USR1: what was before is in the old file, what comes after in the new one

rename "$t->{dir}/all.json", "$t->{dir}/old.json" or die;

$t->get('/report', %at);
$n++;
is(scalar(() = $t->read_file('old.json') =~ /\n/g), $n,
   'it is still the old file')
    if $t->wait_for(sub { $n == (() = $t->read_file('old.json') =~ /\n/g) });

kill USR1 => $nginx->{pid};
ok($t->wait_for(sub { -e "$t->{dir}/all.json" }), 'USR1: there is a new file');

$t->get('/report', %at) for 1 .. 3;
is(scalar(events(3)), 3, 'and what comes after is there');

# the last lines are written when a worker exits

$t->get('/report', %at);
$nginx->reload(conf());
is(scalar(events(4)), 4, 'a worker that exits writes what it has');

# nginx is stopped in the middle of a download: what left is told

$client = $t->client(%at);
$client->send('/big', %at);
$client->more;
$nginx->stop('TERM');
($e) = (events(1))[-1];
is(brief($e) =~ s/ \d+ (?=alice)/ n /r,
   'download - 200 n alice@example.jp big /big', 'nginx is stopped: told');
cmp_ok($e->{'http.response.body.bytes'}, '>=', 10_000, 'what left by then');
cmp_ok($e->{'http.response.body.bytes'}, '<', 30_000_000, 'and no more');
$nginx->start(conf());

# a full disk

$nginx->reload(conf('/dev/full'));

my $had = metric('file', 'written');
my $offered = 700;

$client = $t->client(%at);
$client->request('/empty', from => '203.0.113.1') for 1 .. $offered;

ok($t->wait_for(sub { metric('file', 'dropped') }), 'a full disk: dropped');
is($nginx->said(qr/audit: \/dev\/full.*No space left/), 1,
   'one line of the log says so');
is($nginx->said(qr/audit: \/dev\/full does not take events/), 1,
   'and one, that they are dropped');

$nginx->reload(conf());
ok($t->wait_for(sub {
       metric('file', 'dropped') + metric('file', 'written') - $had == $offered;
   }), 'dropped is what was offered and not written')
    or diag(metric('file', 'dropped') . ' ' . (metric('file', 'written')
                                               - $had));
is($nginx->said(qr/audit: \/dev\/full: $offered events were dropped/), 1,
   'and the log says how many') ;

$t->done;


sub conf {
    my ($file) = @_;

    my $more = $file ? '' : join "\n", map {
        "gate_audit file %%DIR%%/$_.json events=$_;" } qw(refused state);

    $file //= '%%DIR%%/all.json';

    return $t->conf(workers => 1, http => <<'END', server => <<"END2");
    log_format  reference  $gate_event;

    map $uri $project { ~^/(?<p>[^/]+) $p; }

    gate_policy staff {
        user           $gate_cert_email;
        project        $project;
        allow_country  JP;
        quota          bytes=1000000000 per=day;
    }

    gate_policy named {
        certificate    off;
        user           $http_x_user;
        project        $http_x_project;
    }

    large_client_header_buffers  4 32k;
END
        gate        staff;
        gate_audit  file $file events=refused,download;
        $more
        access_log  %%DIR%%/reference.log reference;

        location /dry/      { gate_dry_run on; }
        location /off/      { gate_audit off; }
        location /hostile/  { gate named; try_files /report =404; }
        location = /metrics { gate off; gate_metrics; }
END2
}


# all there are, of so many at least

sub events {
    my ($n) = @_;

    $t->logged($n, 'all.json');

    return map { JSON::PP->new->utf8->decode($_) }
           split /\n/, $t->read_file('all.json');
}


sub but {
    my ($e, @but) = @_;

    my %e = %$e;
    delete @e{@but};

    return \%e;
}


sub brief {
    my ($e) = @_;

    return join ' ', map { $e->{$_} // '-' }
                     qw(event.action event.reason http.response.status_code
                        http.response.body.bytes user.name gate.project
                        url.path);
}


# a text of an event is this one: whole, or marked by the SHA-256 of it

sub shows {
    my ($e, $field, $raw, $what) = @_;

    my $text = $e->{$field} // '';
    my $copy = eval { decode('UTF-8', my $bytes = $raw, FB_CROAK) };

    return is($text, $copy, $what) if defined $copy && length $raw <= 80;

    like($text, qr/^.*#@{[ sha256_hex($raw) ]}$/s, $what);
}


sub metric {
    my ($sink, $result) = @_;

    my ($value) = $t->get('/metrics')->{body}
        =~ /^nginx_gate_audit_events_total
            \{sink="$sink",result="$result"\}\ (\d+)$/mx;

    return $value;
}


sub plain {
    my ($request) = @_;

    my $client = $t->client(plain => 1);

    print { $client->{socket} } $request;

    return $client->response('GET')->{status};
}


sub said_by_openssl {
    my ($name, $what) = @_;

    my $said = qx(openssl x509 -in $t->{dir}/$name.crt -noout $what);

    return $said =~ s/.*=//r =~ s/[:\n]//gr;
}


sub serial { return said_by_openssl($_[0], '-serial') }

sub fingerprint {
    return lc said_by_openssl($_[0], '-fingerprint -sha256');
}
