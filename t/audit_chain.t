#!/usr/bin/perl

# gate_audit file ... chain=on: what conf-examples/audit/verify-audit finds in a
# file that somebody had his hands on, and what it does not complain of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 100);

my $file = "$t->{dir}/chain.json";
my $verify = $t->top . '/conf-examples/audit/verify-audit';

my $nginx = $t->nginx(conf());

ask(20);

# a file that is written just now

my @lines = lines(22);

is(scalar(grep { /"audit-begin"/ } @lines), 2, 'each worker begins a chain');
verified(0, qr/: so far, worker .*, number \d+, 20.*\n.*: so far/,
         'what is written so far is whole');
verified(1, qr/has no end/, 'but has no end', '--closed');

# moved to another file, and on there

rename $file, "$file.1" or die;
kill USR1 => $nginx->{pid};
ok($t->wait_for(sub { 2 == grep { /"audit-go-on"/ } lines() }),
   'USR1: chains go on in the new file');
ok($t->wait_for(sub { 2 == grep { /"audit-move"/ } lines(0, "$file.1") }),
   'and said so in the old one');

ask(10);
lines(12);
$nginx->reload(conf());
ok($t->wait_for(sub { 2 == grep { /"audit-end"/ } lines() }),
   'workers that exit end their chains');
$nginx->stop;

verified(0, qr/^0 faults in \d+ lines of 4 chains$/, 'all of it is whole',
         '--closed', "$file.1", $file);
verified(0, qr/^0 faults/, 'the newer file alone, too', '--closed');
verified(0, qr/so far/, 'the older file alone, too', "$file.1");
verified(1, qr/^\Q$file.1:\E\d+: is out of order/m,
         'the wrong order of files is not', $file, "$file.1");
verified(2, qr/No such file/, 'a file that is not there', "$file.0");

# what can be done to it: all lines are there, $n is one in the middle

my $whole = join '', map { $t->read_file($_) } "$file.1", $file;

@lines = split /^/, $whole;
$file = "$t->{dir}/forged.json";

forged(\@lines);
verified(0, qr/^0 faults/, 'both files in one', '--closed');

my $n = (grep { $lines[$_] =~ /"download"/ } 4 .. $#lines)[5];
my ($next) = grep { worker($_) eq worker($n) } $n + 1 .. $#lines;
my $line = $n + 1;
my $later = $next + 1;

for ([ 'another name', '/report"', '/repost"', "$line: was changed" ],
     [ 'another size', 'bytes":100', 'bytes":10', "$line: was changed" ],
     [ 'another time', '"20', '"21', "$line: was changed" ],
     [ 'another number', 'number":(\d)', 'number":9$1', "$line: was changed" ],
     [ 'another hash before', 'previous":".', 'previous":"x',
       "$line: was cut" ],
     [ 'another hash', 'hash":"..', 'hash":"00', "$line: was changed" ],
     [ 'a field more', '\{', '{"user.name":"bob",', "$line: was cut" ],
     [ 'a part of it', '.{40}$', '', "$line: was cut" ],
     [ 'nothing in its place', '.*', '', "$later: 1 line of worker" ])
{
    my ($what, $from, $to, $said) = @$_;
    my @forged = @lines;

    $forged[$n] =~ s/$from/my $d = $1; $to =~ s{\$1}{$d}r/e;
    isnt($forged[$n], $lines[$n], "$what: is done");
    forged(\@forged);
    verified(1, qr/^\Q$file:$said\E/m, "$what: found");
}

my @forged = @lines;

splice @forged, $n, 1;
forged(\@forged);
verified(1, qr/^\Q$file:$next: 1 line of worker\E .* is missing$/m,
         'a line is taken out');

@forged = @lines;
@forged[$n, $next] = @forged[$next, $n];
forged(\@forged);
verified(1, qr/^\Q$file:\E($line: 1 line of|$later: is out of order)/m,
         'two lines change places');

@forged = @lines;
splice @forged, $next, 0, $lines[$n];
forged(\@forged);
verified(1, qr/^\Q$file:$later: is out of order or repeated\E/m,
         'a line is repeated');

@forged = @lines;
splice @forged, $n, 0, qq({"\@timestamp":"2026-01-01T00:00:00.000Z"}\n);
forged(\@forged);
verified(1, qr/^\Q$file:$line: was cut, or is no line of a chain\E/m,
         'a line is put in');

forged([ @lines[4 .. $#lines] ]);
verified(1, qr/^\Q$file:\E\d+: \d+ lines? of worker/m, 'the head is cut off');

forged([ @lines[0 .. $#lines - 3] ]);
verified(1, qr/has no end/, 'the end is cut off: chains without one',
         '--closed');
verified(0, qr/so far, worker/, 'which may go on, else');

# made anew by who knows how: not seen, but by an anchor elsewhere

my $anchors = "$t->{dir}/state.json";

like($t->read_file($anchors), qr/"audit-(begin|anchor|move|go-on)"/,
     'anchors are told elsewhere');

forged(\@lines);
verified(0, qr/^0 faults/, 'they agree', '--closed', '--anchors', $anchors,
         $file);

@forged = remade($n, sub { s/"bytes":100/"bytes":1/r =~ s/report/repost/gr });
forged(\@forged);
verified(0, qr/^0 faults/, 'a chain that was made anew looks whole',
         '--closed');
verified(1, qr/is not what it was when it was anchored/,
         'an anchor knows better', '--anchors', $anchors, $file);

my ($last) = grep { $lines[$_] =~ /"audit-move"/ } 0 .. $#lines;
my $cut = worker($last);

forged([ grep { !/\Q$cut\E/ || /"audit-begin"/ } @lines ]);
verified(1, qr/lines of worker \Q$cut\E after this one are missing/,
         'and of an end that was cut off', '--anchors', $anchors, $file);

# a line that a full disk cut, and that is written once more

@forged = @lines;
splice @forged, $n, 0, substr($lines[$n], 0, 100) . "\n";
forged(\@forged);
verified(0, qr/^0 faults/, 'a line that was cut and written again is none',
         '--closed');

$t->done;


sub conf {
    return $t->conf(workers => 2, http => <<'END', server => <<'END2');
    gate_policy all { certificate off; user $http_x_user; }
END
        gate        all;
        gate_audit  file %%DIR%%/chain.json chain=on anchor=300ms;
        gate_audit  file %%DIR%%/state.json events=state;
END2
}


sub ask {
    my ($n) = @_;

    for (1 .. $n) {
        $t->get('/report', headers => { 'X-User' => 'alice' });
    }
}


sub lines {
    my ($n, $name) = @_;

    $t->logged($n, $name // $file) if $n;

    return split /^/, $t->read_file($name // $file);
}


sub worker {
    my ($n) = @_;

    return $lines[$n] =~ /worker":"([^"]+)/ ? $1 : '';
}


sub forged {
    my ($lines) = @_;

    $t->write_file($file, join '', @$lines);
}


# the chain of line $n from there on, with other words in that line

sub remade {
    my ($n, $change) = @_;

    my @new = @lines;
    my $previous;

    for my $i ($n .. $#lines) {
        next if worker($i) ne worker($n);

        local $_ = $new[$i];
        $_ = $change->() if $i == $n;
        s/previous":"\w+/previous":"$previous/ if $previous;

        my ($text) = /^(.*),"gate\.chain\.hash"/;
        $previous = sha256_hex($text);
        s/hash":"\w{64}"\}$/hash":"$previous"}/;

        $new[$i] = $_;
    }

    return @new;
}


sub verified {
    my ($exit, $said, $what, @args) = @_;

    push @args, $file unless @args && $args[-1] =~ m{^/};

    my $words = qx($verify @args 2>&1);

    is($? >> 8, $exit, $what) or diag($words);
    like($words, $said, "$what: it says so");
}
