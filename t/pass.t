#!/usr/bin/perl

# Who may pass, and who is refused before the backend hears of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::Gate;
use Test::More;

my ($japan, $germany, $nowhere) = qw(203.0.113.5 198.51.100.5 192.0.2.5);
my ($japan6, $germany6) = qw(2001:db8:1::5 2001:db8:2::5);

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->certificate('stranger', email => 'alice@example.jp', self => 1);
$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE',
              '2001:db8:1::/48' => 'JP', '2001:db8:2::/48' => 'DE');

my $document = $t->document('report', 3_000_000);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; }

    gate_policy staff {
        user           $gate_cert_email;
        allow_country  JP;
        quota          bytes=1g per=day offset=9h;
    }

    gate_policy abroad {
        user           $gate_cert_email;
        deny_country   JP unknown;
    }

    gate_policy anybody {
        user           $gate_cert_email;
        allow_country  JP unknown;
    }

    server {
        listen      unix:%%DIR%%/backend.sock;
        access_log  %%DIR%%/backend.log;
        root        %%DIR%%/docs;
    }
END
        gate  staff;

        location / { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /abroad/ {
            gate abroad;
            proxy_pass http://unix:%%DIR%%/backend.sock:/;
        }
        location /anybody/ {
            gate anybody;
            proxy_pass http://unix:%%DIR%%/backend.sock:/;
        }
        location /health { gate off; return 200 well; }
END2

my $r = $t->get('/report', cert => 'alice', from => $japan);

is($r->{status}, 200, 'staff from Japan passes');
is(sha256_hex($r->{body}), sha256_hex($document), 'the document is right');

$r = $t->curl('/report', cert => 'alice', from => $japan, http => 2);

is("$r->{version} $r->{status}", '2 200', 'HTTP/2 passes');
is(sha256_hex($r->{body}), sha256_hex($document), 'HTTP/2: document is right');

is($t->get('/report', cert => 'alice', from => $japan6)->{status}, 200,
   'IPv6 from Japan passes');
is($t->get('/anybody/report', cert => 'alice', from => $nowhere)->{status},
   200, 'an unknown country passes where it is listed');
is($t->get('/abroad/report', cert => 'alice', from => $germany)->{status},
   200, 'deny_country lets others pass');

my $passed = () = $t->read_file('backend.log') =~ /\n/g;
is($passed, 5, 'these reached the backend');

# refused: status, reason, what for

my @refused = (
    [ 403, 'country', 'from Germany', cert => 'alice', from => $germany ],
    [ 403, 'country', 'IPv6 from Germany', cert => 'alice',
      from => $germany6 ],
    [ 403, 'country', 'from nowhere', cert => 'alice', from => $nowhere ],
    [ 403, 'certificate', 'without a certificate', from => $japan ],
    [ 400, 'certificate', 'a stranger', cert => 'stranger', from => $japan ],
);

my $lines = $passed;

for (@refused) {
    my ($status, $reason, $what, %o) = @$_;

    $r = $t->get('/report', %o, close => 1);
    is($r->{status}, $status, "$what: refused");
    is(($t->logged(++$lines) =~ /^\d+ "(\w*)" "(\w*)"/)
       ? "$1 $2" : '', "DENIED $reason", "$what: $reason");
}

$r = $t->get('/abroad/report', cert => 'alice', from => $japan);
is($r->{status}, 403, 'deny_country refuses who is listed');

$r = $t->get('/abroad/report', cert => 'alice', from => $nowhere);
is($r->{status}, 403, 'deny_country refuses unknown if listed');

my $reached = () = $t->read_file('backend.log') =~ /\n/g;
is($reached, $passed, 'no refused request reached the backend');

is($t->get('/health')->{body}, 'well', 'gate off lets everybody pass');

$t->done;
