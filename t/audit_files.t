#!/usr/bin/perl

# A CRL or a file of fingerprints that changes is an event, once for a host: one
# that is in use from now on, and one that is not, with what is wrong with it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);
$t->certificate($_, email => "$_\@example.jp") for qw(alice bob);
$t->write_file('ca.crl', $t->crl('ca'));
$t->write_file('known', fingerprint('alice') . "\n" . fingerprint('bob')
                        . "\n");

$t->nginx($t->conf(workers => 2, http => <<'END', server => <<'END2'));
    gate_audit file %%DIR%%/events events=state;

    gate_policy staff {
        user          $gate_cert_email;
        crl           %%DIR%%/ca.crl;
        fingerprints  %%DIR%%/known;
    }
END
        gate  staff;
END2

is(status('bob'), 200, 'bob passes');

$t->write_file('ca.crl', $t->crl('ca', revoked => [ 'bob' ]));
ok($t->wait_for(sub { status('bob') == 403 }), 'a new CRL is in use');
is(told('file-reloaded', 'ca.crl'), 1, 'and that is told, once');

$t->write_file('known', fingerprint('bob') . "\n");
ok($t->wait_for(sub { status('alice') == 403 }), 'other fingerprints are');
is(told('file-reloaded', 'known'), 1, 'and that is told, once');

$t->write_file('ca.crl', "-----BEGIN X509 CRL-----\nnone\n");
is(told('file-refused', 'ca.crl'), 1, 'a CRL that is none is not, once');

my ($refused) = events('file-refused', 'ca.crl');

like($refused->{message}, qr/ca\.crl/, 'what is wrong with it');
is($refused->{'event.outcome'}, 'failure', 'that is a failure');

$t->write_file('known', "nonsense\n");
is(told('file-refused', 'known'), 1, 'nor are fingerprints that are none');
is(status('alice'), 403, 'those in use stay');

is(told('file-reloaded', $_), 1, "$_ is told of no more") for 'ca.crl', 'known';

$t->done;

sub status { return $t->get('/report', cert => $_[0])->{status} }

sub fingerprint {
    my ($name) = @_;

    return qx(openssl x509 -noout -fingerprint -sha256 -in $t->{dir}/$name.pem)
           =~ /=([0-9A-F:]+)/ ? $1 : die "$name: no fingerprint";
}

# How many there are, once there is one.

sub told {
    my ($action, $file) = @_;

    $t->wait_for(sub { events($action, $file) });

    return scalar(() = events($action, $file));
}

sub events {
    my ($action, $file) = @_;

    return grep { $_->{'event.action'} eq $action
                  && $_->{'gate.subject'} =~ m{/\Q$file\E$} }
           map { decode_json($_) } split /\n/, $t->read_file('events');
}
