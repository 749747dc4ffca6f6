#!/usr/bin/perl

# What a policy asks of a certificate besides that it is valid: purpose, age,
# key, issuer, and whether it is registered, which is looked up at each request
# in a file that reloads itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

$t->certificate('alice', email => 'alice@example.jp',
                extra => 'extendedKeyUsage = clientAuth,emailProtection');
$t->certificate('carol', extra => 'extendedKeyUsage = clientAuth');
$t->certificate('bob');

my %rules = (
    client     => 'certificate  required eku=clientAuth;',
    mail       => 'certificate  required eku=1.3.6.1.5.5.7.3.4;',
    young      => 'certificate  required max_age=1h;',
    younger    => 'certificate  required max_age=1s;',
    key        => 'certificate  required min_key=rsa:2048,ec:256;',
    strong     => 'certificate  required min_key=ec:384;',
    rsa        => 'certificate  required min_key=rsa:2048;',
    optional   => 'certificate  optional eku=clientAuth;',
    issuer     => 'issuer       CN=another "CN=ca";',
    another    => 'issuer       CN=another;',
    registered => 'fingerprints registered;',
);

my %print = map {
    my $file = "$t->{dir}/$_.crt";
    $_ => qx(openssl x509 -in $file -noout -fingerprint -sha256);
} qw(alice bob);

$t->write_file('registered', "# who may come in\n\n \t $print{alice}");

my $nginx = $t->nginx($t->conf(
    http => join('', map { "    gate_policy $_ { $rules{$_} }\n" }
                     sort keys %rules),
    server => join('', map { "        location /$_/ {\n"
                             . "            gate   $_;\n"
                             . "            alias  %%DIR%%/docs/;\n"
                             . "        }\n" } sort keys %rules)));

# rule, who, status, reason

for ([ client => 'alice', 200 ],
     [ client => 'carol', 200 ],
     [ client => 'bob', 403, 'certificate' ],
     [ mail => 'alice', 200 ],
     [ mail => 'carol', 403, 'certificate' ],
     [ young => 'alice', 200 ],
     [ key => 'alice', 200 ],
     [ strong => 'alice', 403, 'certificate' ],
     [ rsa => 'alice', 403, 'certificate' ],
     [ optional => 'alice', 200 ],
     [ optional => 'bob', 403, 'certificate' ],
     [ optional => undef, 200 ],
     [ issuer => 'alice', 200 ],
     [ another => 'alice', 403, 'issuer' ],
     [ registered => 'alice', 200 ],
     [ registered => 'bob', 403, 'certificate' ],
     [ registered => undef, 403, 'certificate' ])
{
    my ($rule, $who, $status, $reason) = @$_;
    my $what = "$rules{$rule} " . ($who // 'nobody');

    is(status($rule, $who), $status, $what);
    like($t->logged($t->{asked}), qr/^$status "\w+" "$reason" "$rule"/,
         "$what: $reason") if $reason;
}

ok($t->wait_for(sub { status('younger', 'alice') == 403 }),
   'it is too old as soon as it is');

ok($nginx->said(qr/key too weak/), 'the error log says which rule it was')
    or diag($t->read_file('nginx0.error.log'));

# the file changes: kept connections see it, too

my $kept = $t->client(cert => 'alice');

is($kept->request('/registered/document')->{status}, 200, 'on a connection');

$t->write_file('registered', lc($print{bob} =~ s/.*=//r) =~ s/://gr);

ok($t->wait_for(sub { status('registered', 'bob') == 200 }),
   'one is added to the file');
ok($t->wait_for(sub {
       $kept->request('/registered/document')->{status} == 403;
   }), 'and one removed from it, whose connection is kept');

# a file that is none stays unused, and that is said once

$t->write_file('registered', "not a fingerprint\n");
ok($t->wait_for(sub { $nginx->said(qr/registered/) }), 'a bad file is told of');
is(status('registered', 'bob'), 200, 'and the one before stays in use');

$t->write_file('registered', $print{alice});
ok($t->wait_for(sub { status('registered', 'alice') == 200 }),
   'until there is a good one');

$t->done;

sub status {
    my ($rule, $who) = @_;

    $t->{asked}++;

    return $t->get("/$rule/document", $who ? (cert => $who) : ())->{status};
}
